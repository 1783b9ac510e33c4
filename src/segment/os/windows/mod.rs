//! The bodies of Windows. Sharing with a group, forks and exec do not exist there; nor can a file lose its name while somebody
//! has it mapped, so that a living bus always keeps its memory's.

pub mod files;
pub mod forks;
pub mod holding;
pub mod lock;
pub mod memory;
pub mod presence;
pub mod processes;
