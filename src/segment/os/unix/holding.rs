//! Held by `flock`: the kernel lets go with the last descriptor of it, a forked child's too.

use super::files;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const TAKE_WAIT: Duration = Duration::from_secs(5);
const TAKE_PAUSE: Duration = Duration::from_micros(50);

/// Makes a file that is to be held.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    files::create(path, mode)
}

/// Holds one's own new file, for as long as it is open: it may be locked for an instant, by somebody who looks whether its
/// holder lives.
pub fn take(file: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < TAKE_WAIT => std::thread::sleep(TAKE_PAUSE),
            result => return Ok(result?),
        }
    }
}

/// Whether somebody holds the file that was opened at `_path`.
pub fn is_held(file: &File, _path: &Path) -> bool {
    // Shared: two who look at once do not take each other for the holder.
    file.try_lock_shared().is_err()
}
