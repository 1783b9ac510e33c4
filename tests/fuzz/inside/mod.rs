//! Hostile bytes: what the fuzz targets run. An input is a program of small operations, honest ones and corruptions; what
//! must hold is that each returns soon, with a value or an error. Replayed over the kept corpus by `cargo test --lib fuzz`.
#![allow(missing_docs, reason = "a door for the fuzz targets alone")]

mod bus;
#[cfg(test)]
mod cases;
mod files;
mod globs;
mod readers;
mod requests;
mod segment;
mod vandal;

pub use bus::run as bus;
pub use files::run as files;
pub use globs::run as globs;
pub use requests::run as requests;
pub use segment::run as segment;

/// The bytes of an input, one choice after the other; at its end all are 0.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    fn below(&mut self, end: usize) -> usize {
        self.u8() as usize % end
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.u8()))
    }
}

#[cfg(test)]
mod replay {
    /// Each file of a target's kept corpus.
    fn each(target: &str, run: fn(&[u8])) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
        let mut count = 0;
        for file in std::fs::read_dir(folder).expect("a folder").flatten() {
            run(&std::fs::read(file.path()).expect("a file"));
            count += 1;
        }
        assert!(count > 0, "nothing is kept for {target}");
    }

    #[test]
    fn the_kept_segments_do_no_harm() {
        each("segment", super::segment);
    }
    #[test]
    fn the_kept_buses_do_no_harm() {
        each("bus", super::bus);
    }
    #[test]
    fn the_kept_files_do_no_harm() {
        each("files", super::files);
    }
    #[test]
    fn the_kept_globs_mean_what_they_say() {
        each("globs", super::globs);
    }
    #[test]
    fn the_kept_requests_do_no_harm() {
        each("requests", super::requests);
    }
}
