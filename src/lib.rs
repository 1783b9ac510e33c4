//! Topic pub/sub in shared memory between the processes and threads of one machine.
//!
//! The sentence the system speaks: **publish** -> **slab** -> **ring** -> **wake** -> **drain** -> listener. A publisher
//! writes its bytes into the slab, gives them their place in the one order by a slot of the ring, and posts the semaphores
//! of the subscribed members that sleep; a member wakes, drains the ring from its cursor, and copies out what it wants.
//!
//! Start with [`Bus`]. ARCHITECTURE.md draws the rooms, docs/design.md argues the protocol.

#[cfg(not(all(
    any(target_os = "linux", target_os = "android", target_os = "macos", windows),
    target_pointer_width = "64"
)))]
compile_error!("slabcast runs on Linux, macOS and Windows, on 64-bit processors");

mod bus;
mod error;
mod layout;
#[cfg(feature = "node")]
mod node;
mod reap;
mod registry;
mod ring;
mod segment;
mod slab;
mod sync;
mod wake;
#[cfg(windows)]
mod windows;

#[cfg(not(any(unix, windows)))]
compile_error!("slabcast runs on Linux, macOS and Windows");

pub use bus::{
    Bus, Held, HeldBy, MemberInfo, Message, MessageRef, Options, Stats, SubscribeOptions, TopicInfo, Traffic,
};
pub use error::{
    DecodeError, Gap, GapReason, HandlerError, OpenError, Owner, PublishError, RecvError, RequestError,
    SubscribeError, TopicError,
};

#[cfg(feature = "kill-points")]
#[doc(hidden)]
#[path = "../tests/kill/audit.rs"]
pub mod audit;
/// What the fuzz targets run; the tests replay what they found.
#[cfg(any(fuzzing, all(test, not(loom))))]
#[path = "../tests/fuzz/inside/mod.rs"]
pub mod fuzz;

#[cfg(test)]
#[path = "../tests/model/death.rs"]
mod death;
#[cfg(all(feature = "kill-points", not(test)))]
#[doc(hidden)]
#[path = "../tests/kill/point.rs"]
pub mod kill_points;
#[cfg(all(test, loom))]
#[path = "../tests/model/mod.rs"]
mod model;
#[cfg(all(test, not(loom)))]
#[path = "../tests/property/mod.rs"]
mod property;
