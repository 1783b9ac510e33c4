//! The people of a case: a keeper in this process that sees everything, neighbours that live through it, victims. And what
//! must hold for the living afterwards.

use crate::actor::options;
use crate::member::{Counts, Got, Member, SLAB, TRAFFIC};
use crate::suite::watchdog;
use crate::support::{Player, folder_of, left, may_isolate, nothing_left};
use slabcast::audit::{Audit, audit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const KEEPER: u32 = 0;

/// A process of this suite.
pub struct Person {
    pub id: u32,
    /// As a member; 0: not attached.
    pub number: u32,
    pub player: Player,
    /// It is to stop somewhere.
    pub may_stop: bool,
    /// What it said it published.
    pub acknowledged: Counts,
}

/// What became of a line told to somebody.
#[derive(Debug, PartialEq)]
pub enum Fate {
    Answered(String),
    Killed,
    Stopped,
}

pub struct Stage {
    pub bus: String,
    pub members: u32,
    pub topics: u32,
    pub keeper: Option<Member>,
    /// Not paused: the keeper receives while it waits for others.
    pub keeper_reads: bool,
    pub neighbours: Vec<Person>,
    /// The files of a dead member go with its place.
    pub buries_files: bool,
    /// The longest that the living waited after a death.
    pub longest: Duration,
    /// The longest until nothing of the dead was left.
    pub settled: Duration,
    logs: PathBuf,
}

impl Stage {
    pub fn new() -> Stage {
        let bus = format!("kill-{}", std::process::id());
        let logs = std::env::temp_dir().join(format!("slabcast-{bus}"));
        // Of a failed case of an older process with this pid.
        let _ = std::fs::remove_dir_all(&logs);
        std::fs::create_dir(&logs).expect("a folder");
        Stage {
            bus,
            members: 8,
            topics: 64,
            keeper: None,
            keeper_reads: true,
            neighbours: Vec::new(),
            buries_files: false,
            longest: Duration::ZERO,
            settled: Duration::ZERO,
            logs,
        }
    }

    // Coming

    pub fn open_keeper(&mut self) {
        let mut keeper = Member::open(options(&self.bus, self.members, self.topics), KEEPER);
        keeper.follow_all();
        self.keeper = Some(keeper);
    }

    pub fn keeper(&mut self) -> &mut Member {
        self.keeper.as_mut().expect("it is open")
    }

    pub fn audit(&mut self) -> Audit {
        audit(&self.keeper().bus)
    }

    pub fn person(&self, id: u32) -> Person {
        let (members, topics) = (self.members.to_string(), self.topics.to_string());
        let player = Player::start_ready(&["actor", &id.to_string(), &self.bus, &members, &topics]);
        Person { id, number: 0, player, may_stop: false, acknowledged: Counts::new() }
    }

    /// Two that are subscribed to everything, and do nothing yet.
    pub fn open_neighbours(&mut self) {
        for id in [1, 2] {
            let mut neighbour = self.person(id);
            self.does(&mut neighbour, "open");
            self.does(&mut neighbour, "subscribe 0-2");
            self.neighbours.push(neighbour);
        }
    }

    pub fn all_neighbours(&mut self, line: &str) {
        let mut neighbours = std::mem::take(&mut self.neighbours);
        neighbours.iter_mut().for_each(|neighbour| neighbour.player.tell(line));
        for neighbour in &mut neighbours {
            self.fate(neighbour);
        }
        self.neighbours = neighbours;
    }

    // Doing

    /// Tells somebody to do something and waits for what becomes of it; the keeper reads on meanwhile.
    pub fn told(&mut self, person: &mut Person, line: &str) -> Fate {
        person.player.tell(line);
        self.fate(person)
    }

    pub fn fate(&mut self, person: &mut Person) -> Fate {
        let mut fate = None;
        self.until("what it was told is done", |_| {
            let stopped = person.may_stop && person.player.is_stopped();
            let killed = person.player.was_killed();
            if killed {
                for line in person.player.last_words() {
                    person.note(&line);
                }
                fate = Some(Fate::Killed);
            }
            while let Some(line) = person.player.heard() {
                if !person.note(&line) {
                    fate = Some(Fate::Answered(line));
                }
            }
            if stopped && fate.is_none() {
                fate = Some(Fate::Stopped);
                person.may_stop = false;
            }
            if fate.is_some() { Ok(()) } else { Err("nothing yet".into()) }
        });
        fate.expect("it is known")
    }

    /// Tells somebody to do something, which it does.
    pub fn does(&mut self, person: &mut Person, line: &str) -> String {
        match self.told(person, line) {
            Fate::Answered(answer) if !answer.starts_with("error") => {
                if let Some(number) = answer.strip_prefix("opened ") {
                    person.number = number.parse().expect("a number");
                }
                answer
            }
            fate => panic!("told to {line}, {} {fate:?}", person.id),
        }
    }

    /// Waits for something while the keeper receives; says what was missing if it does not come.
    pub fn until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Stage) -> Result<(), String>,
    ) -> Duration {
        let start = Instant::now();
        loop {
            if let Some(keeper) = self.keeper.as_mut().filter(|_| self.keeper_reads) {
                keeper.receive(Duration::ZERO);
            }
            let Err(missing) = condition(self) else { return start.elapsed() };
            assert!(start.elapsed() < watchdog(), "waited {:?} until {what}: {missing}", watchdog());
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    // What must hold afterwards

    /// All the living publish and receive, more than two slabs of it: a reservation somebody left would be in the way.
    pub fn goes_on(&mut self) {
        self.goes_on_without_hearing_of(u32::MAX);
    }

    /// The same where one of the neighbours only receives.
    pub fn goes_on_without_hearing_of(&mut self, silent: u32) {
        let target = self.audit().alloc + 2 * SLAB;
        let speak: Vec<u32> = self.neighbours.iter().map(|n| n.id).filter(|id| *id != silent).collect();
        let seen: Vec<usize> = speak.iter().map(|id| self.heard_of(*id)).collect();
        let waited = self.until("all go on", |stage| {
            let alloc = stage.audit().alloc;
            let still = |(id, seen): (&u32, &usize)| (stage.heard_of(*id) <= *seen).then_some(*id);
            let slow: Vec<u32> = speak.iter().zip(&seen).filter_map(still).collect();
            if alloc >= target && slow.is_empty() {
                return Ok(());
            }
            Err(format!("the slab is at {alloc} of {target}; not heard of: {slow:?}; {:?}", stage.audit()))
        });
        self.longest = self.longest.max(waited);
    }

    fn heard_of(&self, id: u32) -> usize {
        let log = &self.keeper.as_ref().expect("open").log;
        log.iter().filter(|got| got.publisher == id).count()
    }

    /// Everybody falls silent and tells what it received: the same, whole and in order. Of each victim all it was told
    /// is published is there, and of what it was publishing as many messages as `delivered` says, if that is certain.
    pub fn all_received_the_same(&mut self, victims: &mut [Person], delivered: &[Option<u32>]) {
        let mut counts: BTreeMap<u32, String> = BTreeMap::new();
        let mut neighbours = std::mem::take(&mut self.neighbours);
        for neighbour in &mut neighbours {
            counts.insert(neighbour.id, self.does(neighbour, "stop"));
        }
        let (_, end) = self.keeper().publish(0, 64);
        self.until("the keeper has its own message", |stage| {
            let last = stage.keeper().log.last().map(|got| got.position);
            if last == Some(end) { Ok(()) } else { Err(format!("{last:?} of {end}")) }
        });
        counts.insert(KEEPER, format!("{:?}", self.keeper().published));
        let keeper = self.keeper();
        assert!(keeper.gaps.is_empty(), "{:?}", keeper.gaps);
        let reference = keeper.log.clone();
        let got = in_order(&reference);
        for (id, published) in &counts {
            let got = got.get(id).cloned().unwrap_or_default();
            assert_eq!(&format!("{got:?}"), published, "{id} lives and lost messages");
        }
        for (victim, delivered) in victims.iter().zip(delivered) {
            let told: u32 = victim.acknowledged.values().sum();
            let got = got.get(&victim.id).cloned().unwrap_or_default();
            for (topic, told) in &victim.acknowledged {
                assert!(got.get(topic) >= Some(told), "told {:?}, got {got:?}", victim.acknowledged);
            }
            let more = got.values().sum::<u32>() - told;
            match delivered {
                None => assert!(more <= 1, "told {:?}, got {got:?}", victim.acknowledged),
                Some(delivered) => {
                    assert_eq!(more, *delivered, "what it was publishing: told {told}, got {got:?}")
                }
            }
        }
        for neighbour in &mut neighbours {
            let path = self.logs.join(neighbour.id.to_string());
            self.does(neighbour, &format!("save {end} {}", path.display()));
            let text = std::fs::read_to_string(path).expect("a log");
            let log: Vec<Got> = text.lines().map(Got::parse).collect();
            same(neighbour.id, &log, &reference);
            assert_eq!(self.does(neighbour, "gaps"), "", "{} missed something", neighbour.id);
        }
        self.neighbours = neighbours;
    }

    /// Nothing of the dead is left in the segment: in time, for the living look once a second.
    pub fn settles(&mut self) {
        self.all_neighbours("follow");
        let mut living = vec![self.keeper().bus.member()];
        living.extend(self.neighbours.iter().map(|neighbour| neighbour.number));
        let expected: BTreeSet<(String, u32)> = living
            .iter()
            .flat_map(|number| TRAFFIC.map(|topic| (crate::member::name_of(topic), *number)))
            .collect();
        let members: BTreeSet<u32> = living.into_iter().collect();
        let waited = self.until("nothing of the dead is left", |stage| {
            let audit = stage.audit();
            let clean = audit.members.iter().copied().collect::<BTreeSet<_>>() == members
                && audit.reading.len() == members.len()
                && audit.inflight.is_empty()
                && audit.stray_bits.is_empty()
                && audit.groups.is_empty()
                && !audit.dirty
                && audit.subscribers.iter().cloned().collect::<BTreeSet<_>>() == expected;
            if clean { Ok(()) } else { Err(format!("of {members:?} there is {audit:?}")) }
        });
        self.settled = self.settled.max(waited);
    }

    pub fn no_files_of(&mut self, victims: &[Person]) {
        let bus = folder_of(&self.bus);
        let numbers = victims.iter().map(|victim| victim.number).filter(|number| *number != 0);
        let files: Vec<PathBuf> = numbers
            .flat_map(|number| ["lock", "fifo"].map(|kind| bus.join(format!("{number}.{kind}"))))
            .collect();
        self.until("the files of the dead are gone", |_| match files.iter().find(|file| file.exists()) {
            Some(file) => Err(format!("{}", file.display())),
            None => Ok(()),
        });
    }

    /// One more comes, with a place, a semaphore and a topic of its own, and leaves; then every topic can be had.
    pub fn takes_a_newcomer(&mut self) {
        let mut newcomer = self.person(50);
        // It looks for what dead buses left, and finds this one alive.
        self.does(&mut newcomer, &format!("open-as {}-beside", self.bus));
        self.does(&mut newcomer, "leave");
        self.does(&mut newcomer, "open");
        self.does(&mut newcomer, "subscribe 1");
        self.does(&mut newcomer, "subscribe 50");
        self.does(&mut newcomer, "publish 50 100");
        self.does(&mut newcomer, "publish 1 3000");
        self.until("the newcomer is heard", |stage| {
            if stage.keeper().has(50, 1, 1) { Ok(()) } else { Err("not yet".into()) }
        });
        self.does(&mut newcomer, "leave");
        newcomer.player.end();
        for topic in 0..self.topics - TRAFFIC.end {
            self.keeper().subscribe(1000 + topic).expect("every entry of the table can be had");
        }
    }

    /// In the folder lie the files of the bus and of its members, nothing else; and no memory that nobody knows.
    pub fn only_files_of_the_living(&mut self) {
        // On Windows what is locked or slept on otherwise is the kernel's, and has no file.
        let of_all: &[&str] = if cfg!(windows) { &["segment"] } else { &["registry.lock", "segment"] };
        let of_each: &[&str] = if cfg!(windows) { &["lock"] } else { &["lock", "fifo"] };
        let mut expected: BTreeSet<String> = of_all.iter().map(|name| name.to_string()).collect();
        let mut numbers = vec![self.keeper().bus.member()];
        numbers.extend(self.neighbours.iter().map(|neighbour| neighbour.number));
        for number in numbers {
            expected.extend(of_each.iter().map(|kind| format!("{number}.{kind}")));
        }
        let names = std::fs::read_dir(folder_of(&self.bus)).expect("the folder").flatten();
        let found: BTreeSet<String> =
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(found, expected);
        if may_isolate() {
            assert_eq!(left().len(), 2, "a folder and a segment: {:?}", left());
        }
    }

    /// The keeper last.
    pub fn all_leave(&mut self) {
        for mut neighbour in std::mem::take(&mut self.neighbours) {
            self.does(&mut neighbour, "stop");
            self.does(&mut neighbour, "leave");
            neighbour.player.end();
        }
        drop(self.keeper.take());
        nothing_left(may_isolate(), &self.bus, "all left");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.logs);
    }
}

impl Person {
    /// Whether the line told of a message published.
    fn note(&mut self, line: &str) -> bool {
        let Some(words) = line.strip_prefix("published ").filter(|rest| *rest != "all") else { return false };
        let numbers: Vec<u32> = words.split(' ').map(|word| word.parse().expect("a number")).collect();
        if TRAFFIC.contains(&numbers[0]) {
            self.acknowledged.insert(numbers[0], numbers[1]);
        }
        true
    }
}

/// Looks at every number of a log that misses nothing from the first message of the bus on. Returns what each published.
fn in_order(log: &[Got]) -> BTreeMap<u32, Counts> {
    let mut sequences = Counts::new();
    let mut published: BTreeMap<u32, Counts> = BTreeMap::new();
    let mut position = None;
    for got in log {
        assert!(position < Some(got.position), "a position was doubled: {got:?}");
        position = Some(got.position);
        let sequence = sequences.entry(got.topic).or_default();
        *sequence += 1;
        assert_eq!(got.sequence, *sequence as u64, "a hole in a sequence: {got:?}");
        let n = published.entry(got.publisher).or_default().entry(got.topic).or_default();
        *n += 1;
        assert_eq!(got.n, *n, "lost, doubled or out of order: {got:?}");
    }
    published
}

fn same(id: u32, log: &[Got], reference: &[Got]) {
    let differs = log.iter().zip(reference).position(|(one, other)| one != other);
    assert_eq!(
        differs,
        None,
        "{id} has {:?} for {:?}",
        log[differs.unwrap_or(0)],
        reference[differs.unwrap_or(0)]
    );
    assert_eq!(log.len(), reference.len(), "{id} received less or more");
}
