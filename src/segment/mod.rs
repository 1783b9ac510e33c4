//! A bus as bytes: making and mapping shared memory, reserving its pages, the folder and the locks around it. The
//! only place where an offset becomes a pointer. Knows nothing of messages.

mod lock;
mod lost;
mod mapping;
mod os;
mod place;
mod presence;
mod sweep;
mod witness;

pub(crate) use lock::{Guard, LockError, RegistryLock};
pub(crate) use lost::{Holder, find_memory, holder_of_memory};
pub(crate) use mapping::{Segment, SegmentError, is_alive};
pub(crate) use os::files::{GROUPS, free_bytes, owner_of, remove as remove_file};
pub(crate) use os::forks::Generation;
pub(crate) use place::{Place, PlaceError, read_text};
pub(crate) use presence::{Presence, Present};
pub(crate) use sweep::{
    anyone_lives, is_ours, memory_id, remove_all_member_files, remove_bus, remove_memory, sweep,
    unlink_memory,
};
#[cfg(any(fuzzing, all(test, not(loom))))]
pub(crate) use witness::lives;
pub(crate) use witness::{Round, Witness};
