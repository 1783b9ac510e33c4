//! A mount namespace with an empty /dev/shm, where that is permitted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

const MOUNT: &str = "mount -t tmpfs -o size=1g,mode=1777 slabcast-test /dev/shm";

/// It goes with its last process.
pub struct Own;

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

pub fn command(program: &Path) -> (Command, Own) {
    let mut command = unshare(&format!("{MOUNT} && exec \"$0\" \"$@\""));
    command.arg(program);
    (command, Own)
}
