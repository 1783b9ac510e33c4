//! A process that forks without exec has copies of its parent's buses: they say so, and harm nothing. Windows has no fork.
//! It finds descriptors and memory by their paths, which macOS does not have.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // fork has no safe face

use slabcast::{Bus, OpenError, Options};
use std::path::Path;
use std::time::Duration;

/// How often this process has the lock of that bus' registry open. Other tests of this process come and go with theirs.
fn registry_locks(bus: &str) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    let paths = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let lock = Path::new(bus).join("registry.lock");
    paths.filter(|path| path.ends_with(&lock)).count()
}

/// What goes wrong in the forked child, as the code it exits with; 0: all is as it should be.
fn in_the_child(mut bus: Bus, options: Options) -> i32 {
    let code = |error: &dyn std::error::Error, code: &str| {
        error.to_string().contains("forked") && code == "ERR_CLOSED"
    };
    let refused = [
        bus.publish("t", &2).is_err_and(|error| code(&error, error.code())),
        bus.subscribe("u").is_err_and(|error| code(&error, error.code())),
        bus.try_recv().is_err_and(|error| code(&error, error.code())),
        !bus.unsubscribe("t"),
    ];
    if let Some(at) = refused.iter().position(|refused| !refused) {
        return 1 + at as i32;
    }
    // A bus of its own it may have, with a lock of its own: what it holds by the parent's descriptor the parent holds too.
    let name = options.name.clone();
    let before = registry_locks(&name);
    let Ok(mut mine) = Bus::open(options) else { return 10 };
    if registry_locks(&name) == before {
        return 13;
    }
    if mine.subscribe("child").is_err()
        || mine.publish("child", &3).is_err()
        || mine.publish("t", &3).is_err()
    {
        return 11;
    }
    match mine.recv_timeout(Duration::from_secs(60)) {
        Ok(Some(message)) if message.decode::<u32>().is_ok_and(|n| n == 3) => {}
        _ => return 12,
    }
    drop((mine, bus));
    0
}

#[test]
fn a_forked_child_is_refused_and_its_parent_goes_on() {
    let options = Options::new(format!("fork-{}", std::process::id()));
    let mut bus = Bus::open(options.clone()).expect("open");
    bus.subscribe("t").expect("subscribe");
    // The topic it published to last it knows without looking it up.
    bus.publish("t", &0).expect("publish");
    // SAFETY: the child needs no lock that another thread of this process may hold.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        let code = in_the_child(bus, options);
        // SAFETY: ends the child without the test harness' own end.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "it ended by a signal: {status:x}");
    assert_eq!(libc::WEXITSTATUS(status), 0, "which step went wrong");
    // The parent's place, subscriptions and messages are as they were.
    bus.publish("t", &1).expect("publish");
    for expected in [0, 3, 1] {
        let message = bus.recv_timeout(Duration::from_secs(60)).expect("recv").expect("a message");
        assert_eq!(message.decode::<u32>().expect("decode"), expected);
    }
    assert!(bus.try_recv().expect("recv").is_none());
}

/// A child that would live for ever: it ends with the test, also with one that fails.
struct Killed(libc::pid_t);

impl Drop for Killed {
    fn drop(&mut self) {
        // SAFETY: a child of ours.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
fn a_forked_child_that_outlives_its_parents_bus_stands_in_nobodys_way() {
    let options = Options::new(format!("fork-left-{}", std::process::id()));
    for ends in ["closed", "opened again"] {
        let mut bus = Bus::open(options.clone()).expect("open");
        bus.subscribe("t").expect("subscribe");
        // SAFETY: as above; the child touches nothing.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork");
        if child == 0 {
            // A copy of everything, until it is killed.
            loop {
                std::thread::park();
            }
        }
        let _killed = Killed(child);
        drop(bus);
        let mut again = Bus::open(options.clone()).expect(ends);
        again.subscribe("t").expect("subscribe");
        again.publish("t", &1).expect("publish");
        let message = again.recv_timeout(Duration::from_secs(60)).expect("recv").expect("a message");
        assert_eq!(message.sequence(), 1, "a bus that begins anew");
        drop(again);
    }
}

/// A process that runs `act`, which tells of another by its pid or lives until it is killed. Returns that one.
fn forked(act: impl FnOnce(&dyn Fn(libc::pid_t))) -> Killed {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    // SAFETY: as above.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork");
    if process == 0 {
        act(&|pid| assert_eq!(rustix::io::write(&writer, &pid.to_ne_bytes()), Ok(4)));
        std::process::abort();
    }
    // So that an end without a word is seen.
    drop(writer);
    let mut told = [0; 4];
    assert_eq!(rustix::io::read(&reader, &mut told), Ok(4), "it could not open the bus");
    let told = i32::from_ne_bytes(told);
    if told != process {
        // SAFETY: a child of ours, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(process, &mut 0, 0) }, process);
    }
    Killed(told)
}

/// A process that opens the bus, leaves a forked copy of itself behind, and then leaves the bus or dies. Returns the copy.
fn leave_a_copy(options: &Options, end: &str) -> Killed {
    forked(|tell| {
        let Ok(bus) = Bus::open(options.clone()) else { return };
        // SAFETY: as above.
        let copy = unsafe { libc::fork() };
        if copy == 0 {
            loop {
                std::thread::park();
            }
        }
        if end == "leaves" {
            drop(bus);
        }
        tell(copy);
        // SAFETY: of this process, at once; what it has open goes with it.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    })
}

/// A process that has the bus open until it is killed.
fn stay(options: &Options) -> Killed {
    forked(|tell| {
        let Ok(_bus) = Bus::open(options.clone()) else { return };
        tell(std::process::id() as i32);
        loop {
            std::thread::park();
        }
    })
}

/// What a copy of a former member still has mapped says that it is closed.
#[test]
fn a_forked_copy_of_who_left_or_died_is_not_said_to_have_the_bus_that_has_its_name_now() {
    for end in ["leaves", "is killed"] {
        let options = Options::new(format!("fork-copy-{}", std::process::id()));
        let _copy = leave_a_copy(&options, end);
        let owner = stay(&options);
        let uid = rustix::process::geteuid().as_raw();
        let folder = Path::new("/dev/shm").join(format!("slabcast-{uid}")).join(&options.name);
        let memory = std::fs::read_to_string(folder.join("segment")).expect("a pointer");
        std::fs::remove_file(format!("/dev/shm{memory}")).expect("removed");
        std::fs::remove_dir_all(&folder).expect("removed");
        match Bus::open(options) {
            Err(OpenError::InUse { pid }) => assert_eq!(pid, Some(owner.0 as u32), "it {end}"),
            other => panic!("{other:?}, when it {end}"),
        }
    }
}
