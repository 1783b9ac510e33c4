//! An event of the kernel by a name made of the mark, which each member has open: it is there as long as one has. The name is for
//! all sessions of the machine, the event for this user alone; another user can only be there first, and then it tells nothing.
#![allow(unsafe_code)] // calls of the system

use crate::segment::presence::Present;
use crate::windows::{UserOnly, owned, wide};
use std::io;
use std::os::windows::io::OwnedHandle;
use windows_sys::Win32::Foundation::ERROR_FILE_NOT_FOUND;
use windows_sys::Win32::System::Threading::{CreateEventW, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE};

#[derive(Debug)]
pub struct Presence {
    _event: OwnedHandle,
}

impl Presence {
    pub fn declare(mark: u64) -> io::Result<Presence> {
        let (user_only, name) = (UserOnly::new()?, name_of(mark));
        // SAFETY: descriptor and name are there until the call returns. Of one that is there already it is another handle.
        let event = owned(unsafe { CreateEventW(&user_only.attributes(), 1, 0, name.as_ptr()) })?;
        Ok(Presence { _event: event })
    }
}

/// Unknown: what has the name is another user's, or no event.
pub fn at(mark: u64) -> Present {
    let name = name_of(mark);
    // SAFETY: the name ends with NUL.
    match owned(unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) }) {
        Ok(_) => Present::Somebody,
        Err(error) if error.raw_os_error() == Some(ERROR_FILE_NOT_FOUND as i32) => Present::Nobody,
        Err(_) => Present::Unknown,
    }
}

fn name_of(mark: u64) -> Vec<u16> {
    wide(&format!("Global\\slabcast-{mark:016x}-presence"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_in_this_user_alone() {
        let declared = Presence::declare((std::process::id() as u64) << 32 | 8).expect("declared");
        let me = crate::windows::user_sid().expect("a SID");
        assert_eq!(crate::windows::lets_in(&declared._event), Some(vec![me.to_owned()]));
    }
}
