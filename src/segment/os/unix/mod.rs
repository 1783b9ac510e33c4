//! The bodies of Linux, and of macOS where that is like it.

pub mod files;
pub mod forks;
pub mod holding;
pub mod lock;
pub mod memory;
pub mod presence;
#[cfg_attr(target_vendor = "apple", path = "processes/apple.rs")]
pub mod processes;
