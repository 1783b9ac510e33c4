//! A piece of shared memory for the floors. Whoever leaves first takes its name away: the other has it mapped by then.

use super::Trial;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU8;

pub fn path(trial: &Trial, what: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/{}-{what}", trial.name))
}

/// Bytes that two processes map.
pub struct Shared {
    base: *mut AtomicU8,
    len: usize,
    path: PathBuf,
}

impl Shared {
    pub fn map(trial: &Trial, what: &str, len: usize) -> Shared {
        let path = path(trial, what);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.expect("shared memory");
        file.set_len(len as u64).expect("room");
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, wherever the kernel likes, of a file that is that long.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(base, libc::MAP_FAILED, "mapped");
        Shared { base: base.cast(), len, path }
    }

    /// The address of byte `at`, which is followed by at least `len` more.
    pub fn at(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at + len <= self.len, "inside");
        // SAFETY: inside the mapping, as was just asserted.
        unsafe { self.base.add(at).cast() }
    }

    /// A counter at byte `at`, a multiple of its size.
    pub fn word<T>(&self, at: usize) -> &T
    where
        T: Word,
    {
        assert!(at.is_multiple_of(size_of::<T>()), "aligned");
        // SAFETY: aligned, inside the mapping, which lives as long as self; both ends use it as this atomic alone.
        unsafe { &*self.at(at, size_of::<T>()).cast() }
    }
}

/// What may be shared between processes by reference.
pub trait Word {}
impl Word for std::sync::atomic::AtomicU32 {}
impl Word for std::sync::atomic::AtomicU64 {}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        // SAFETY: the mapping is not used any more.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}
