//! Who lives. Two witnesses: a lock the kernel drops however its holder dies, and a process' pid with the time it
//! started. Within one PID namespace the second overrules the first: a process that runs is never taken for dead
//! though a stray close() dropped its lock, and one that is gone or a zombie is dead though a forked child holds it.

use super::forked::Generation;
use super::place::{Place, read_short};
use super::presence::Present;
use crate::layout::Identity;
use crate::sync::step;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

const TAKE_WAIT: Duration = Duration::from_secs(5);
const TAKE_PAUSE: Duration = Duration::from_micros(50);

impl Identity {
    /// This process. Asked of /proc once by each thread, and anew by a forked copy.
    pub fn mine() -> Identity {
        // Of the thread: a lock that another thread held at a fork would stay locked in the copy.
        thread_local!(static KNOWN: Cell<Option<(Generation, Identity)>> = const { Cell::new(None) });
        let pid = std::process::id();
        if let Some((generation, known)) = KNOWN.get()
            && !generation.is_past()
            && known.pid == pid
        {
            return known;
        }
        let mine = Identity {
            pid,
            started: my_start(pid).unwrap_or(0),
            namespace: std::fs::metadata("/proc/self/ns/pid").map(|m| m.ino()).unwrap_or(0),
        };
        // What could not be told, for want of a descriptor, may be another time.
        if mine.started != 0 && mine.namespace != 0 {
            KNOWN.set(Some((Generation::mine(), mine)));
        }
        mine
    }

    /// Whether it runs, as far as its pid tells; None in another namespace, or where /proc does not tell.
    fn runs(self, mine: Identity) -> Option<bool> {
        if self.namespace == 0 || self.namespace != mine.namespace || mine.started == 0 || self.started == 0 {
            return None;
        }
        if self.pid == mine.pid {
            return Some(self.started == mine.started);
        }
        match fate(self.pid) {
            Fate::Runs { started } => Some(started == self.started),
            Fate::Gone => Some(false),
            Fate::Unknown => None,
        }
    }
}

/// What can be learned of a pid.
enum Fate {
    Runs {
        started: u64,
    },
    /// There is no such process, or only a zombie.
    Gone,
    /// It could not be asked: out of descriptors or memory, or /proc hides other users' processes. No one dies of that.
    Unknown,
}

/// When this process started, if /proc shows its namespace: one that was entered alone still sees the /proc of the one
/// outside, where its pids are other processes'.
fn my_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read("/proc/self/stat").ok()?;
    let is_mine = stat.split(|&b| b == b' ').next()? == pid.to_string().as_bytes();
    match parse_stat(&stat)? {
        Fate::Runs { started } if is_mine => Some(started),
        _ => None,
    }
}

fn fate(pid: u32) -> Fate {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => parse_stat(&stat).unwrap_or(Fate::Unknown),
        // ENOENT also where /proc is mounted with hidepid: a signal finds what it hides.
        Err(error)
            if matches!(
                error.raw_os_error().map(Errno::from_raw_os_error),
                Some(Errno::NOENT | Errno::SRCH)
            ) =>
        {
            // None: a number no process has. Negative, it would mean a group.
            let found = i32::try_from(pid).ok().and_then(Pid::from_raw).map(test_kill_process);
            if matches!(found, None | Some(Err(Errno::SRCH))) { Fate::Gone } else { Fate::Unknown }
        }
        Err(_) => Fate::Unknown,
    }
}

fn parse_stat(stat: &[u8]) -> Option<Fate> {
    // pid (name) state ppid ... : the name may hold anything, also parentheses.
    let after_name = stat.iter().rposition(|&b| b == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return Some(Fate::Gone);
    }
    Some(Fate::Runs { started: fields.nth(18)?.parse().ok()? })
}

/// A member's lock file, held open and locked while the member lives.
#[derive(Debug)]
pub(crate) struct Witness {
    _file: File,
}

impl Witness {
    /// Makes and locks the file; it says in words who holds it, for those who have no segment to look into. By way of a
    /// rename: nobody sees it there and not locked.
    pub fn create(path: &Path, who: Identity, mode: u32) -> io::Result<Witness> {
        let making = path.with_extension("lock.new");
        let _ = std::fs::remove_file(&making);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&making)?;
        step("witness: made");
        // The umask may have taken from what the group was to get: it must see who lives.
        let permitted = file.set_permissions(Permissions::from_mode(mode));
        let made = permitted.and_then(|()| take(&file)).and_then(|()| {
            step("witness: locked");
            write!(file, "{} {} {}", who.pid, who.started, who.namespace)
        });
        if let Err(error) = made.and_then(|()| std::fs::rename(&making, path)) {
            let _ = std::fs::remove_file(&making);
            return Err(error);
        }
        Ok(Witness { _file: file })
    }
}

/// Locks one's own new file: held at most for an instant, by somebody who looks whether its holder lives.
fn take(file: &File) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < TAKE_WAIT => std::thread::sleep(TAKE_PAUSE),
            result => return Ok(result?),
        }
    }
}

/// One look at many members: each process is asked once, however many of its threads are members.
#[derive(Debug)]
pub(crate) struct Round {
    mine: Identity,
    asked: HashMap<Identity, Option<bool>>,
}

impl Default for Round {
    fn default() -> Round {
        Round { mine: Identity::mine(), asked: HashMap::new() }
    }
}

impl Round {
    /// Whether the member of this process and number lives.
    pub fn lives(&mut self, who: Identity, place: &Place, number: u32) -> bool {
        let mine = self.mine;
        match *self.asked.entry(who).or_insert_with(|| who.runs(mine)) {
            Some(runs) => runs && !has_exec_d(who, &place.member_lock(number)),
            None => is_held(place, number, Some(who), mine),
        }
    }
}

/// Whether the member lives that this identity and this lock file belong to.
pub(crate) fn lives(who: Option<Identity>, place: &Place, number: u32, mine: Identity) -> bool {
    match who.and_then(|who| Some((who, who.runs(mine)?))) {
        Some((who, runs)) => runs && !has_exec_d(who, &place.member_lock(number)),
        None => is_held(place, number, who, mine),
    }
}

/// Whether somebody holds the lock, of one whose pid does not tell.
fn is_held(place: &Place, number: u32, who: Option<Identity>, mine: Identity) -> bool {
    let lock = &place.member_lock(number);
    let file = match open_lock(lock) {
        Ok(file) => file,
        // Somebody removed the file: nothing says that a member known by other means died, unless nobody at all is there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return who.is_some() && Present::at(place.mark()) != Present::Nobody;
        }
        // Out of descriptors, or hidden: nothing says that it died.
        Err(_) => return true,
    };
    if who.is_none() {
        let written = read_short(&file).ok().and_then(|text| parse(&text));
        if let Some((who, runs)) = written.and_then(|who| Some((who, who.runs(mine)?))) {
            return runs && !has_exec_d(who, lock);
        }
    }
    // Shared: two who look at once do not take each other for the holder.
    file.try_lock_shared().is_err()
}

/// Whether a process that runs has become another program: exec keeps the pid and the start, and closes what we opened. Its lock
/// is free then, which alone could be a stray close(), and it has no memory of ours mapped.
fn has_exec_d(who: Identity, lock: &Path) -> bool {
    let Ok(file) = open_lock(lock) else { return false };
    let its = read_short(&file).ok().and_then(|text| parse(&text)) == Some(who);
    its && file.try_lock_shared().is_ok()
        && std::fs::read_to_string(format!("/proc/{}/maps", who.pid))
            .is_ok_and(|maps| !maps.contains("/slabcast."))
}

fn open_lock(lock: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(lock)
}

fn parse(text: &str) -> Option<Identity> {
    let mut words = text.split(' ');
    let identity = Identity {
        pid: words.next()?.parse().ok()?,
        started: words.next()?.parse().ok()?,
        namespace: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(identity)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_one_with_its_pid_but_another_start_does_not() {
        let mine = Identity::mine();
        assert_eq!(mine.runs(mine), Some(true));
        assert_eq!(Identity { started: mine.started + 1, ..mine }.runs(mine), Some(false));
        assert_eq!(Identity { namespace: mine.namespace + 1, ..mine }.runs(mine), None);
    }

    #[test]
    fn a_zombie_is_dead() {
        let mine = Identity::mine();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
        let Fate::Runs { started } = fate(child.id()) else { panic!("it runs") };
        let who = Identity { pid: child.id(), started, ..mine };
        assert_eq!(who.runs(mine), Some(true));
        child.kill().expect("kill");
        // Not waited for: it stays a zombie once it is dead.
        while who.runs(mine) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().expect("wait");
        assert_eq!(who.runs(mine), Some(false));
    }

    #[test]
    fn the_lock_decides_where_the_pid_means_nothing() {
        let folder = std::env::temp_dir().join(format!("slabcast-witness-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let place = &Place::in_folder(&folder);
        let path = place.member_lock(7);
        let mine = Identity::mine();
        let elsewhere = Identity { namespace: mine.namespace + 1, ..mine };
        let held = Witness::create(&path, elsewhere, 0o600).expect("create");
        assert!(lives(None, place, 7, mine));
        assert!(lives(Some(elsewhere), place, 7, mine));
        drop(held);
        assert!(!lives(None, place, 7, mine));
        assert!(!lives(Some(elsewhere), place, 7, mine));
        std::fs::remove_dir_all(&folder).expect("remove");
    }
}
