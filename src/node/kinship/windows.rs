//! The kernel keeps a process' parent and start. Of the environment it was born with nothing is kept: Node removes its channel's
//! variable from the only copy. But what a parent hands down as open files stays as it was, in the form that the C runtimes
//! and libuv have agreed on: a channel is a pipe beyond the three standard streams. (So is a further pipe that somebody
//! asked `spawn` for.)
#![allow(unsafe_code)]

use crate::windows::owned;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PEB, PROCESS_ACCESS_RIGHTS, PROCESS_BASIC_INFORMATION,
    PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ,
};

// What is read of another process lies there as it does here: it has 64 bits, too.
const _: () = assert!(size_of::<usize>() == 8);

pub struct Process {
    pub parent: u32,
    /// In units of 100 ns since 1601.
    pub started: u64,
}

pub fn look(pid: u32) -> Option<Process> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
    let started = started(&process)?;
    let parent = u32::try_from(basics(&process)?.InheritedFromUniqueProcessId).ok()?;
    // The number may be another's by now, who came later.
    let is_there =
        || open(parent, PROCESS_QUERY_LIMITED_INFORMATION).and_then(|parent| self::started(&parent));
    let is_older = is_there().is_some_and(|its| its <= started);
    Some(Process { parent: if is_older { parent } else { 0 }, started })
}

/// None: it cannot be looked into.
pub fn was_born_with_channel(pid: u32) -> Option<bool> {
    let process = open(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    let peb = read::<PEB>(&process, basics(&process)?.PebBaseAddress as usize)?;
    let handed_down = read::<Text>(&process, peb.ProcessParameters as usize + RUNTIME_DATA)?;
    let mut bytes = vec![0; handed_down.bytes.into()];
    read_into(&process, handed_down.at, &mut bytes).then(|| has_further_pipe(&bytes))
}

/// Where in RTL_USER_PROCESS_PARAMETERS it stands what the parent hands down, which is for the C runtimes.
const RUNTIME_DATA: usize = 0xe0;

/// A UNICODE_STRING. This one holds no text.
#[derive(Clone, Copy)]
#[repr(C)]
struct Text {
    bytes: u16,
    room: u16,
    at: usize,
}

/// Their number, then a byte of flags for each, then the handles.
fn has_further_pipe(files: &[u8]) -> bool {
    const OPEN: u8 = 1;
    const PIPE: u8 = 8;
    let Some((count, rest)) = files.split_first_chunk::<4>() else { return false };
    let count = u32::from_le_bytes(*count) as usize;
    rest.iter().take(count).skip(3).any(|flags| flags & (OPEN | PIPE) == OPEN | PIPE)
}

fn open(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> Option<OwnedHandle> {
    // SAFETY: it takes numbers.
    owned(unsafe { OpenProcess(rights, 0, pid) }).ok()
}

fn started(process: &OwnedHandle) -> Option<u64> {
    let none = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut other) = (none, [none; 3]);
    let [exited, kernel, user] = &mut other;
    // SAFETY: the handle is open, the times are locals.
    let told = unsafe { GetProcessTimes(process.as_raw_handle(), &mut created, exited, kernel, user) };
    (told != 0).then(|| u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

fn basics(process: &OwnedHandle) -> Option<PROCESS_BASIC_INFORMATION> {
    let mut basics = PROCESS_BASIC_INFORMATION::default();
    // SAFETY: the handle is open, and the buffer what is asked for.
    let status = unsafe {
        let (into, bytes) = (&raw mut basics, size_of::<PROCESS_BASIC_INFORMATION>() as u32);
        NtQueryInformationProcess(
            process.as_raw_handle(),
            ProcessBasicInformation,
            into.cast(),
            bytes,
            null_mut(),
        )
    };
    (status >= 0).then_some(basics)
}

/// What lies there in that process, of a type whose bytes may be any.
fn read<T: Copy>(process: &OwnedHandle, at: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as many bytes as it has. Once they are written they are one: any bytes are numbers and pointers.
    unsafe { copy(process, at, value.as_mut_ptr().cast(), size_of::<T>()).then(|| value.assume_init()) }
}

fn read_into(process: &OwnedHandle, at: usize, bytes: &mut [u8]) -> bool {
    // SAFETY: as many bytes as there is room for.
    unsafe { copy(process, at, bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// Whether all of it could be copied.
///
/// # Safety
/// There is room for so many bytes.
unsafe fn copy(process: &OwnedHandle, at: usize, into: *mut c_void, bytes: usize) -> bool {
    let mut copied = 0;
    // SAFETY: this function's own contract. What lies there is another process' business: it is copied or refused.
    let ok =
        unsafe { ReadProcessMemory(process.as_raw_handle(), at as *const c_void, into, bytes, &mut copied) };
    ok != 0 && copied == bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_parent_that_is_older() {
        let mine = look(std::process::id()).expect("it is told");
        assert!(mine.parent != 0 && mine.started > 0);
        assert!(look(mine.parent).expect("it is told").started <= mine.started);
        assert_eq!(was_born_with_channel(std::process::id()), Some(false));
    }

    #[test]
    fn a_pipe_beyond_the_standard_streams_is_a_channel() {
        let files = |flags: &[u8]| {
            let handles = vec![0xff; 8 * flags.len()];
            [&(flags.len() as u32).to_le_bytes(), flags, &handles].concat()
        };
        assert!(!has_further_pipe(&[]) && !has_further_pipe(&files(&[])) && !has_further_pipe(&[9, 0, 0, 0]));
        assert!(!has_further_pipe(&files(&[9, 9, 9])));
        assert!(!has_further_pipe(&files(&[9, 9, 9, 0])) && !has_further_pipe(&files(&[9, 9, 9, 1])));
        assert!(
            has_further_pipe(&files(&[0x41, 0x41, 0x41, 9])) && has_further_pipe(&files(&[0, 0, 0, 0, 9]))
        );
    }
}
