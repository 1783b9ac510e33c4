//! Deaths and freezes at a point: with the feature `kill-points` a test arms one of the points `sync::step` names, and the
//! thread that reaches it sends its own process SIGKILL or SIGSTOP. The kernel ends it there, between two instructions:
//! nothing unwinds, nothing is flushed. Not for production: the feature is off in every release.

use std::sync::Mutex;

/// What happens at the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL; on Windows, to be terminated.
    Kill,
    /// SIGSTOP; SIGCONT goes on from there. Windows stops no process.
    #[cfg(unix)]
    Stop,
}

struct Due {
    name: String,
    left: u32,
    act: Act,
}

static DUE: Mutex<Option<Due>> = Mutex::new(None);

/// From now on, whichever thread reaches the point `name` for the `nth` time (from 0) ends or stops this process there.
pub fn arm(name: &str, nth: u32, act: Act) {
    *DUE.lock().expect("no panic in here") = Some(Due { name: name.to_owned(), left: nth, act });
}

/// Nothing happens at any point any more. True: the armed one was not reached.
pub fn disarm() -> bool {
    DUE.lock().expect("no panic in here").take().is_some()
}

pub(crate) fn reached(name: &str) {
    let mut due = DUE.lock().expect("no panic in here");
    let Some(armed) = due.as_mut().filter(|armed| armed.name == name) else { return };
    if armed.left > 0 {
        armed.left -= 1;
        return;
    }
    let act = armed.act;
    *due = None;
    // Not held while stopped: other threads go on until the signal has reached them.
    drop(due);
    match act {
        Act::Kill => die(),
        #[cfg(unix)]
        Act::Stop => raise(libc::SIGSTOP),
    }
}

#[cfg(unix)]
fn die() -> ! {
    raise(libc::SIGKILL);
    unreachable!("nobody survives it");
}

/// With the code that others end a process with.
#[cfg(windows)]
#[expect(unsafe_code)]
fn die() -> ! {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
    // SAFETY: touches no memory.
    unsafe { TerminateProcess(GetCurrentProcess(), 1) };
    unreachable!("nobody survives it");
}

/// Sent to this very thread: it does not return from the call before the signal has done its work. One sent to the process
/// might be taken by another thread, and this one go on for some steps.
#[cfg(unix)]
#[expect(unsafe_code)]
fn raise(signal: i32) {
    // SAFETY: touches no memory.
    assert_eq!(unsafe { libc::raise(signal) }, 0, "one may end and stop oneself");
}
