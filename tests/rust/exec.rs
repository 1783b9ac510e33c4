//! A process that becomes another program (exec) keeps its pid and its start, and is no member any more. On Windows a process stays the program it is.
//! On macOS that is not told.

#![cfg(target_os = "linux")]

use slabcast::{Bus, Options};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "SLABCAST_EXEC_BUS";

#[test]
fn child() {
    let Ok(name) = std::env::var(ROLE) else { return };
    let mut bus = Bus::open(Options::new(name)).expect("open");
    bus.subscribe("t").expect("subscribe");
    println!("> attached");
    // The harness' capture of output is of no use to it: it is gone with this program.
    let error = Command::new("sleep").arg("1000").stdout(Stdio::null()).exec();
    panic!("exec: {error}");
}

/// Ends with the test, also with one that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_member_that_execs_is_reaped_though_its_process_runs() {
    let options = Options::new(format!("exec-{}", std::process::id()));
    let mut bus = Bus::open(options.clone()).expect("open");
    let process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, &options.name)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut process = Killed(process);
    let output = BufReader::new(process.0.stdout.take().expect("piped"));
    assert!(output.lines().map_while(Result::ok).any(|line| line.contains("> attached")));
    let start = Instant::now();
    while bus.stats().members_attached > 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is still a member");
        // Ticks.
        let _ = bus.recv_timeout(Duration::from_millis(20)).expect("recv");
    }
    assert!(process.0.try_wait().expect("asked").is_none(), "its process runs");
    // The last one: nothing of the other program keeps the bus.
    let folder = format!("/dev/shm/slabcast-{}/{}", rustix::process::geteuid().as_raw(), options.name);
    assert!(std::fs::exists(&folder).expect("asked"));
    drop(bus);
    assert!(!std::fs::exists(&folder).expect("asked"), "the bus is left behind");
}
