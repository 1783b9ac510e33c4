//! A bus as bytes: making and mapping shared memory, reserving its pages, the folder and the locks around it. The
//! only place where an offset becomes a pointer. Knows nothing of messages.

mod lock;
mod mapping;
mod place;
mod sweep;
mod witness;

pub(crate) use lock::{Guard, LockError, RegistryLock};
pub(crate) use mapping::{Segment, SegmentError};
pub(crate) use place::{Place, PlaceError, free_bytes};
pub(crate) use sweep::{anyone_lives, is_ours, remove_all_member_files, remove_bus, sweep};
pub(crate) use witness::{Witness, lives};
