//! Linux: objects are files of a file system of their own, which may be full.
#![allow(unsafe_code)] // madvise

use crate::segment::mapping::{NoSpace, SegmentError, os_error};
use crate::sync::step;
use rustix::fs::{FallocateFlags, Mode};
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use shared_memory::{Shmem, ShmemConf};
use std::fs::File;

pub const LISTED: Option<&str> = Some("/dev/shm");

const PAGE: usize = 4096;

pub fn create(id: &str, bytes: usize, mode: u32) -> Result<(Shmem, File), SegmentError> {
    let shmem = ShmemConf::new().os_id(id).size(bytes).create().map_err(|error| os_error(id, error))?;
    step("create: made");
    let memory = super::open(id)?;
    rustix::fs::fchmod(&memory, Mode::from_raw_mode(mode)).map_err(|error| os_error(id, error))?;
    Ok((shmem, memory))
}

pub fn is_length(length: usize, bytes: usize) -> bool {
    length == bytes
}

pub fn reserve(shmem: &Shmem, memory: &File, offset: usize, bytes: usize) -> Result<(), SegmentError> {
    loop {
        match rustix::fs::fallocate(memory, FallocateFlags::empty(), offset as u64, bytes as u64) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => continue,
            Err(Errno::NOSPC) => return Err(no_space(memory, bytes as u64).into()),
            Err(error) => return Err(os_error(shmem.get_os_id(), error)),
        }
    }
}

fn no_space(memory: &File, needed: u64) -> NoSpace {
    let available = rustix::fs::fstatvfs(memory).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
    NoSpace { needed, available }
}

/// For reading: whoever then writes finds the pages mapped for that too, shared as they are, and to ask for writing takes four
/// times as long.
pub fn populate(start: *const u8, bytes: usize) -> bool {
    let before = start as usize % PAGE;
    // SAFETY: the pages of a mapping of ours; what is in them stays.
    let asked = unsafe {
        madvise(start.byte_sub(before).cast_mut().cast(), before + bytes, Advice::LinuxPopulateRead)
    };
    asked.is_ok()
}

pub fn give_back(memory: &File) {
    const HEADER_PAGE: u64 = PAGE as u64;
    let bytes = memory.metadata().map_or(0, |meta| meta.len());
    if bytes > HEADER_PAGE {
        let holes = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(memory, holes, HEADER_PAGE, bytes - HEADER_PAGE);
    }
}
