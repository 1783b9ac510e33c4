//! Who lives. Two witnesses: a lock the kernel drops however its holder dies, and a process' pid with the time it
//! started. Within one PID namespace the second overrules the first: a process that runs is never taken for dead
//! though a stray close() dropped its lock, and one that is gone or a zombie is dead though a forked child holds it.

use super::os::forks::Generation;
use super::os::processes::{self, Fate, fate};
use super::os::{files, holding};
use super::place::{Place, read_short};
use super::presence::Present;
use crate::layout::Identity;
use crate::sync::step;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

impl Identity {
    /// This process. Asked of the system once by each thread, and anew by a forked copy.
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
            started: processes::my_start(pid).unwrap_or(0),
            namespace: processes::namespace(),
        };
        // What could not be told, for want of a descriptor, may be another time.
        if mine.started != 0 && mine.namespace != 0 {
            KNOWN.set(Some((Generation::mine(), mine)));
        }
        mine
    }

    /// Whether it runs, as far as its pid tells; None in another namespace, or where the system does not tell.
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

/// A member's lock file, held while the member lives.
#[derive(Debug)]
pub(crate) struct Witness {
    _file: File,
}

impl Witness {
    /// Makes and holds the file; it says in words who holds it, for those who have no segment to look into. By way of a
    /// rename: nobody sees it there and not held.
    pub fn create(path: &Path, who: Identity, mode: u32) -> io::Result<Witness> {
        let making = path.with_extension("lock.new");
        let _ = files::remove(&making);
        let mut file = holding::create(&making, mode)?;
        step("witness: made");
        // The group must see who lives.
        let permitted = files::permit(&file, mode);
        let made = permitted.and_then(|()| holding::take(&file)).and_then(|()| {
            step("witness: locked");
            write!(file, "{} {} {}", who.pid, who.started, who.namespace)
        });
        if let Err(error) = made.and_then(|()| files::rename(&making, path)) {
            let _ = files::remove(&making);
            return Err(error);
        }
        Ok(Witness { _file: file })
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
    let file = match files::open(lock) {
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
    holding::is_held(&file, lock)
}

/// Whether a process that runs has become another program: exec keeps the pid and the start, and closes what we opened. Its lock
/// is free then, which alone could be a stray close(), and it has no memory of ours mapped.
fn has_exec_d(who: Identity, lock: &Path) -> bool {
    if !processes::EXEC {
        return false;
    }
    let Ok(file) = files::open(lock) else { return false };
    let its = read_short(&file).ok().and_then(|text| parse(&text)) == Some(who);
    its && !holding::is_held(&file, lock) && processes::maps_nothing(who.pid)
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

    const WAITS: &str = "SLABCAST_WITNESS_WAITS";

    /// What the next test starts: until its input ends, or it is ended.
    #[test]
    fn child() {
        if std::env::var_os(WAITS).is_some() {
            let _ = io::stdin().read_line(&mut String::new());
        }
    }

    /// On Windows: one that has ended, and of which somebody has a handle.
    #[test]
    fn a_zombie_is_dead() {
        let mine = Identity::mine();
        let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "segment::witness::tests::child"])
            .env(WAITS, "yes")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
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
