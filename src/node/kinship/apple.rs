//! The kernel keeps a process' parent and start, and the environment it was born with, on its first stack: what Node deletes
//! from its own stays there.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

pub struct Process {
    pub parent: u32,
    /// In us since 1970.
    pub started: u64,
}

pub fn look(pid: u32) -> Option<Process> {
    let mut info = MaybeUninit::<libc::proc_bsdinfo>::uninit();
    let size = size_of::<libc::proc_bsdinfo>() as c_int;
    // SAFETY: there is room for as many bytes as are told.
    let told = unsafe {
        let pid = c_int::try_from(pid).ok()?;
        libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size)
    };
    // SAFETY: all of it was written.
    let info = (told == size).then(|| unsafe { info.assume_init() })?;
    Some(Process { parent: info.pbi_ppid, started: info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec })
}

/// None: it cannot be looked into.
pub fn was_born_with_channel(pid: u32) -> Option<bool> {
    Some(environment(&first_stack(pid)?)?.any(|variable| variable.starts_with(b"NODE_CHANNEL_FD=")))
}

fn first_stack(pid: u32) -> Option<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, c_int::try_from(pid).ok()?];
    let mut ask = |into: *mut c_void, bytes: &mut usize| {
        // SAFETY: there is room for so many bytes, or none is given.
        unsafe { libc::sysctl(name.as_mut_ptr(), name.len() as u32, into, bytes, null_mut(), 0) == 0 }
    };
    let mut bytes = 0;
    if !ask(null_mut(), &mut bytes) {
        return None;
    }
    let mut stack = vec![0; bytes];
    ask(stack.as_mut_ptr().cast(), &mut bytes).then(|| stack[..bytes.min(stack.len())].to_vec())
}

/// Behind the number of arguments, the program's path, NULs, and the arguments; it ends with an empty one.
fn environment(stack: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let (count, texts) = stack.split_first_chunk::<4>()?;
    let arguments = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
    let path = texts.iter().position(|&byte| byte == 0)?;
    let padding = texts[path..].iter().position(|&byte| byte != 0)?;
    let texts = texts[path + padding..].split(|&byte| byte == 0);
    Some(texts.skip(arguments).take_while(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_parent_that_is_older() {
        let mine = look(std::process::id()).expect("it is told");
        assert!(look(mine.parent).expect("it is told").started <= mine.started);
        assert_eq!(was_born_with_channel(std::process::id()), Some(false));
    }

    #[test]
    fn the_environment_stands_behind_the_arguments() {
        let mut stack = 2_i32.to_ne_bytes().to_vec();
        stack.extend_from_slice(b"/bin/node\0\0\0\0node\0NODE_CHANNEL_FD=9\0A=1\0NODE_CHANNEL_FD=3\0\0B=2\0");
        let found: Vec<_> = environment(&stack).expect("whole").collect();
        assert_eq!(found, [&b"A=1"[..], b"NODE_CHANNEL_FD=3"]);
    }
}
