//! What the system says of a process to js/discovery.js, where there is no /proc to read it from: its parent, when it started,
//! and whether it was born with Node's IPC channel. Each by its own means; what it does not tell, or to nobody but
//! an administrator, is None or false.

use napi_derive::napi;

#[cfg_attr(windows, path = "kinship/windows.rs")]
#[cfg_attr(target_vendor = "apple", path = "kinship/apple.rs")]
mod body;

#[napi(object)]
pub struct ProcessWords {
    /// 0: it is gone, or there was none.
    pub parent: u32,
    /// With its pid it names the process for good.
    pub started: String,
}

#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code))] // the binding exports nothing there
pub fn process_of(pid: u32) -> Option<ProcessWords> {
    let body::Process { parent, started } = body::look(pid)?;
    Some(ProcessWords { parent, started: started.to_string() })
}

/// Whether it was started by `fork`, `cluster` or anything else that gives it a channel.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code))] // the binding exports nothing there
pub fn was_born_with_channel(pid: u32) -> bool {
    body::was_born_with_channel(pid).unwrap_or(false)
}
