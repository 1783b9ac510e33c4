//! Who lives, though every file of theirs was removed: each member holds something that the system drops however the member
//! ends, that nobody can remove, and that is found by the mark of the bus' place. It says that somebody is there, not who.
//!
//! Strangers may be able to hold such a thing as well. So nobody is taken for alive by this alone where files, or the memory,
//! say more.

use super::os::presence;
use std::io;

/// Held by a member from before it is attached until it leaves.
#[derive(Debug)]
pub(crate) struct Presence {
    _held: presence::Presence,
}

/// What can be seen of a bus' members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    Nobody,
    Somebody,
    /// Something no member holds is in the way, or the system cannot tell.
    Unknown,
}

impl Presence {
    /// For a member of the bus with this mark (`Place::mark`).
    pub fn declare(mark: u64) -> io::Result<Presence> {
        Ok(Presence { _held: presence::Presence::declare(mark)? })
    }
}

impl Present {
    pub fn at(mark: u64) -> Present {
        presence::at(mark)
    }
}

/// The contract, whatever the body.
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_present_until_the_last_one_is_gone_and_only_there() {
        let (here, there) = ((std::process::id() as u64) << 32, (std::process::id() as u64) << 32 | 4);
        assert_eq!(Present::at(here), Present::Nobody);
        let one = Presence::declare(here).expect("declared");
        let other = Presence::declare(here).expect("declared");
        assert_eq!((Present::at(here), Present::at(there)), (Present::Somebody, Present::Nobody));
        drop(one);
        assert_eq!(Present::at(here), Present::Somebody);
        drop(other);
        assert_eq!(Present::at(here), Present::Nobody);
    }
}
