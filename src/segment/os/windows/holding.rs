//! Held by having it open for writing without letting others do so. Locks of parts would keep them from reading, too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_DELETE, FILE_SHARE_READ,
};

/// Makes a file that is held, for as long as it is open.
pub fn create(path: &Path, _mode: u32) -> io::Result<File> {
    let shared = FILE_SHARE_READ | FILE_SHARE_DELETE;
    OpenOptions::new().read(true).write(true).create_new(true).share_mode(shared).open(path)
}

/// It is held already.
pub fn take(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether somebody holds the file at `path`, of which `_file` was opened. Two who look at once do not take each other for the
/// holder: they let others write. What cannot be told is taken for held.
pub fn is_held(_file: &File, path: &Path) -> bool {
    OpenOptions::new().write(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path).is_err()
}
