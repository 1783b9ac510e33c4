//! The bodies of Linux, and of what is like it.

pub mod files;
pub mod forks;
pub mod holding;
pub mod lock;
pub mod memory;
pub mod presence;
pub mod processes;
