//! A test where nobody else's buses lie, where that is permitted.

#[cfg_attr(unix, path = "isolation/unix.rs")]
#[cfg_attr(windows, path = "isolation/windows.rs")]
mod system;

use super::place::{folder_of, left};
use super::{WATCHDOG, rounds};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
pub use system::{Own, may_isolate};

/// For all of a test. A process takes longer to start under Wine, where those of Windows run, and they are started by the hundred.
const WATCHDOG_OF_ALL: Duration = WATCHDOG.saturating_mul(if cfg!(windows) { 5 } else { 1 });

const ISOLATED: &str = "SLABCAST_CRASH_ISOLATED";

/// This program again, at the test of that name and in a place of its own where that is permitted; which is to be kept until it
/// has ended.
pub fn this_program(test: &str) -> (Command, Option<Own>) {
    let exe = std::env::current_exe().expect("this program");
    let (mut command, own) = if may_isolate() {
        let (command, own) = system::command(&exe);
        (command, Some(own))
    } else {
        println!("no place of our own is permitted here: what others leave there is not told from ours");
        (Command::new(exe), None)
    };
    command.args(["--exact", test, "--nocapture"]);
    command.env(ISOLATED, if may_isolate() { "yes" } else { "no" });
    (command, own)
}

/// Runs the test of that name again where nobody else's buses lie.
pub fn isolated(name: &str, test: impl FnOnce(bool)) {
    match std::env::var(ISOLATED).as_deref() {
        Ok("yes") => return test(true),
        Ok(_) => return test(false),
        Err(_) => {}
    }
    let (mut program, _own) = this_program(name);
    let mut process = program.spawn().expect("started");
    let start = Instant::now();
    let status = loop {
        match process.try_wait().expect("waited for") {
            Some(status) => break status,
            None if start.elapsed() > WATCHDOG_OF_ALL * rounds(1) as u32 => {
                process.kill().expect("killed");
                break process.wait().expect("waited for");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{name} failed, or took forever: see above");
}

pub fn nothing_left(isolated: bool, bus: &str, when: &str) {
    if isolated {
        assert_eq!(left(), Vec::<PathBuf>::new(), "{when}");
    } else {
        assert!(!folder_of(bus).exists(), "{when}");
    }
}
