//! Processes by id and the time they were made. An id is given anew when nobody has a handle of its process any more.
#![allow(unsafe_code)] // calls of the system

use crate::windows::owned;
use std::io;
use std::os::windows::io::AsRawHandle;
use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

/// What can be learned of an id.
#[derive(Debug)]
pub enum Fate {
    Runs {
        started: u64,
    },
    /// There is no such process, or it has ended and somebody still has a handle of it.
    Gone,
    /// It could not be asked: it is another user's, or there is no memory for it.
    Unknown,
}

/// A process stays the program it is.
pub const EXEC: bool = false;

/// Ids mean the same everywhere on the machine.
pub fn namespace() -> u64 {
    1
}

/// When this process was made, in 100 ns since 1601.
pub fn my_start(_pid: u32) -> Option<u64> {
    // SAFETY: the handle of the process itself is always valid.
    start_of(unsafe { GetCurrentProcess() }).ok()
}

pub fn fate(pid: u32) -> Fate {
    // SAFETY: takes no memory of ours.
    let opened =
        owned(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, pid) });
    let process = match opened {
        Ok(process) => process,
        Err(error) if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32) => return Fate::Gone,
        Err(_) => return Fate::Unknown,
    };
    // SAFETY: the handle is open.
    if unsafe { WaitForSingleObject(process.as_raw_handle(), 0) } == WAIT_OBJECT_0 {
        return Fate::Gone;
    }
    start_of(process.as_raw_handle()).map_or(Fate::Unknown, |started| Fate::Runs { started })
}

/// There is no need to ask.
pub fn maps_nothing(_pid: u32) -> bool {
    false
}

fn start_of(process: HANDLE) -> io::Result<u64> {
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [made, ended, kernel, user] = &mut times;
    // SAFETY: the callers' handles are open; the rest is ours.
    crate::windows::succeeded(unsafe { GetProcessTimes(process, made, ended, kernel, user) })?;
    Ok((made.dwHighDateTime as u64) << 32 | made.dwLowDateTime as u64)
}
