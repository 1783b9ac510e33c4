//! A process whose first thread has ended is dead by all that its pid tells; what it holds goes with its last thread only.
//! Every process that is killed is so for a moment, this one for as long as the test wants. Windows has neither fork nor a first thread.
//! macOS has no way to end the first thread alone.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // fork has no safe face

use slabcast::{Bus, Options};
use std::io::Read;
use std::os::fd::FromRawFd;
use std::path::Path;

/// Its first thread opens a bus and ends; another stays until the pipe is closed.
fn in_the_child(options: Options, mut pipe: std::fs::File) {
    let bus = Bus::open(options);
    std::thread::spawn(move || {
        let _ = pipe.read(&mut [0]);
        // SAFETY: ends the child without the test harness' own end.
        unsafe { libc::_exit(0) };
    });
    if bus.is_ok() {
        // SAFETY: ends this thread, and nothing of it is used any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a child");
    stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('Z'))
}

fn is_open(file: &Path) -> bool {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).any(|path| path == file)
}

#[test]
fn what_a_dying_process_still_holds_is_waited_for() {
    let options = Options::new(format!("leader-{}", std::process::id()));
    let folder = format!("/dev/shm/slabcast-{}/{}", rustix::process::geteuid().as_raw(), options.name);
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both are new, and nobody else's.
    let [theirs, ours] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
    // SAFETY: the child needs no lock that another thread of this process may hold.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        drop(ours);
        in_the_child(options, theirs);
        // SAFETY: as above.
        unsafe { libc::_exit(1) };
    }
    while !is_zombie(child) {
        std::thread::yield_now();
    }
    assert!(std::fs::exists(&folder).expect("asked"));
    // Opening another bus removes what is left of it, but for what says that somebody is present.
    drop(Bus::open(Options::new(format!("{}-other", options.name))).expect("open"));
    assert!(!std::fs::exists(&folder).expect("asked"), "it was not dead");
    let opener = std::thread::spawn(move || Bus::open(options));
    // One try, whole: it begins with this lock.
    let lock = Path::new(&folder).join("registry.lock");
    for tried in [true, false] {
        while is_open(&lock) != tried && !opener.is_finished() {
            std::thread::yield_now();
        }
    }
    let early = opener.is_finished();
    drop(ours);
    opener.join().expect("no panic").expect("a new bus");
    assert!(!early, "somebody was present");
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "how it ended");
}
