//! A test where nobody else's buses lie: a mount namespace with an empty /dev/shm, where that is permitted.

use super::{WATCHDOG, rounds};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const ISOLATED: &str = "SLABCAST_CRASH_ISOLATED";
const MOUNT: &str = "mount -t tmpfs -o size=1g,mode=1777 slabcast-test /dev/shm";

fn unshare(script: &str) -> Command {
    let mut command = Command::new("unshare");
    let as_root = rustix::process::geteuid().is_root();
    command.args(if as_root { &["-m"][..] } else { &["-r", "-m"] });
    command.args(["--propagation", "private", "sh", "-c", script]);
    command
}

/// Whether this machine permits it.
pub fn may_isolate() -> bool {
    static MAY: LazyLock<bool> =
        LazyLock::new(|| unshare(MOUNT).stderr(Stdio::null()).status().is_ok_and(|status| status.success()));
    *MAY
}

/// This program again, at the test of that name and in a place of its own where that is permitted.
pub fn this_program(test: &str) -> Command {
    let exe = std::env::current_exe().expect("this program");
    let mut command = if may_isolate() {
        let mut command = unshare(&format!("{MOUNT} && exec \"$0\" \"$@\""));
        command.arg(exe);
        command
    } else {
        println!("no private /dev/shm is permitted here: what others leave there is not told from ours");
        Command::new(exe)
    };
    command.args(["--exact", test, "--nocapture"]);
    command.env(ISOLATED, if may_isolate() { "yes" } else { "no" });
    command
}

/// Runs the test of that name again where nobody else's buses lie.
pub fn isolated(name: &str, test: impl FnOnce(bool)) {
    match std::env::var(ISOLATED).as_deref() {
        Ok("yes") => return test(true),
        Ok(_) => return test(false),
        Err(_) => {}
    }
    let mut process = this_program(name).spawn().expect("started");
    let start = Instant::now();
    let status = loop {
        match process.try_wait().expect("waited for") {
            Some(status) => break status,
            None if start.elapsed() > WATCHDOG * rounds(1) as u32 => {
                process.kill().expect("killed");
                break process.wait().expect("waited for");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{name} failed, or took forever: see above");
}

/// Every file of slabcast's in /dev/shm.
pub fn left() -> Vec<PathBuf> {
    let names = std::fs::read_dir("/dev/shm").expect("/dev/shm").flatten();
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("slabcast"))
        .map(|entry| entry.path())
        .collect()
}

pub fn folder_of(bus: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("slabcast-{}", rustix::process::geteuid().as_raw())).join(bus)
}

pub fn nothing_left(isolated: bool, bus: &str, when: &str) {
    if isolated {
        assert_eq!(left(), Vec::<PathBuf>::new(), "{when}");
    } else {
        assert!(!folder_of(bus).exists(), "{when}");
    }
}
