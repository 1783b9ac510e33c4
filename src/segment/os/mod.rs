//! What a segment asks of the operating system: a contract a file, and for each one body per system. They are chosen here and
//! nowhere else. Where systems differ in more than their calls, a constant or a line of the body's says so.
//!
//! | contract | says |
//! |---|---|
//! | `files` | where buses lie and whose a file is; small files that others may be reading, replacing, removing |
//! | `forks` | whether this process is a copy of the one that asked first |
//! | `holding` | a file held open, which the system lets go of however its holder ends |
//! | `lock` | the registry lock of a bus |
//! | `memory` | shared memory under a name |
//! | `presence` | that somebody is there, when all files are gone |
//! | `processes` | which process this is, and what became of another |

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(super) use unix::{files, forks, holding, lock, memory, presence, processes};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(super) use windows::{files, forks, holding, lock, memory, presence, processes};
