//! What the kernel alone does: a FIFO each way, and a read that sleeps.

use super::shared::path;
use super::{Line, Trial};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub struct Fifo {
    out: Option<File>,
    into: Option<File>,
    body: Vec<u8>,
    paths: Vec<PathBuf>,
}

impl Line for Fifo {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        let mut paths = Vec::new();
        let mut open = |topic: &str| {
            let path = path(trial, topic);
            let name = CString::new(path.as_os_str().as_bytes()).expect("a path");
            // SAFETY: a string that ends. That the other end has made it already is fine.
            unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
            paths.push(path.clone());
            // For both: opening waits for nobody.
            OpenOptions::new().read(true).write(true).open(path).expect("a FIFO")
        };
        let (out, into) = (sends.map(&mut open), reads.map(&mut open));
        Fifo { out, into, body: vec![0; trial.len], paths }
    }

    fn send(&mut self, body: &[u8]) {
        self.out.as_mut().expect("one that sends").write_all(body).expect("write");
    }

    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        self.into.as_mut().expect("one that reads").read_exact(&mut self.body).expect("read");
        each(&self.body);
        true
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
    }
}
