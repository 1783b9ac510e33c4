//! What is tried; see there.

use rustix::process::Signal;
use slabcast::audit::audit;
use slabcast::kill_points::{Act, arm};
use slabcast::{Bus, HeldBy, Options};
use std::process::{Child, Command};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BUS: &str = "SLABCAST_FROZEN_BUS";
const POINT: &str = "SLABCAST_FROZEN_POINT";
/// Nothing is expected to take this long.
const WATCHDOG: Duration = Duration::from_secs(120);
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
/// A header and a block of body: what one message takes of the slab.
const FRAME: u64 = 128;
/// Three slabs full.
const MESSAGES: u64 = 1500;

/// Where a publish may be stopped with its reservation announced, in order; and whether its message is in the bus then.
const POINTS: [(&str, bool); 9] = [
    ("publish: announced", false),
    ("publish: reserved", false),
    ("publish: header written", false),
    ("publish: written", false),
    ("publish: placed", false),
    ("publish: committed", true),
    ("help: chained", true),
    ("help: counted", true),
    ("help: finalised", true),
];

fn options(bus: &str) -> Options {
    Options { size: 64 << 10, stall_timeout: Some(STALL_TIMEOUT), members: 8, ..Options::new(bus) }
}

/// The process that is stopped: publishes 1, then 2, at the point it was given in the middle of that, and 3.
fn child(bus: &str, point: &str) {
    let mut bus = Bus::open(options(bus)).expect("open");
    bus.publish("theirs", &1u64).expect("publish");
    arm(point, 0, Act::Stop);
    bus.publish("theirs", &2u64).expect("publish");
    bus.publish("theirs", &3u64).expect("publish");
}

struct Frozen {
    process: Child,
}

impl Frozen {
    /// Started, and stopped at the point.
    fn start(bus: &str, point: &str) -> Frozen {
        let process = Command::new(std::env::current_exe().expect("this program"))
            .envs([(BUS, bus), (POINT, point)])
            .spawn()
            .expect("started");
        let frozen = Frozen { process };
        let stat = format!("/proc/{}/stat", frozen.process.id());
        until("it is stopped", || {
            let stat = std::fs::read_to_string(&stat).expect("it runs");
            stat.rsplit(')').next().is_some_and(|fields| fields.starts_with(" T"))
        });
        frozen
    }
    fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).expect("it is there");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < WATCHDOG, "waited {WATCHDOG:?} for this: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64
}

/// What a reader got, per topic. A gap is an error of `recv`: nobody here may be cut off.
#[derive(Default)]
struct Got {
    ours: u64,
    theirs: Vec<u64>,
}

impl Got {
    fn take(&mut self, bus: &mut Bus) {
        while let Some(message) = bus.try_recv().expect("no gap") {
            let n = message.decode::<u64>().expect("decode");
            match message.topic() {
                "ours" => {
                    assert_eq!((n, message.sequence()), (self.ours + 1, n), "each once, in order");
                    self.ours = n;
                }
                _ => {
                    assert_eq!(message.sequence(), self.theirs.len() as u64 + 1);
                    self.theirs.push(n);
                }
            }
        }
    }
}

/// A thread that publishes 1..=MESSAGES and waits for room as `publish` does; returns how many readers it cut off.
fn publisher(bus: &str) -> JoinHandle<u64> {
    let options = options(bus);
    std::thread::spawn(move || {
        let mut bus = Bus::open(options).expect("open");
        for n in 1..=MESSAGES {
            bus.publish("ours", &n).expect("publish");
        }
        bus.stats().cut_offs
    })
}

/// At every point, each on a bus of its own and all at once: they mostly wait.
fn frozen(name: &str, signal: Signal, theirs: fn(bool) -> Vec<u64>) {
    std::thread::scope(|scope| {
        for (at, (point, committed)) in POINTS.into_iter().enumerate() {
            scope.spawn(move || {
                frozen_at(
                    &format!("frozen-{name}-{at}-{}", std::process::id()),
                    point,
                    signal,
                    &theirs(committed),
                )
            });
        }
    });
}

fn frozen_at(bus_name: &str, point: &str, signal: Signal, theirs: &[u64]) {
    let mut reader = Bus::open(options(bus_name)).expect("open");
    reader.subscribe("ours").expect("subscribe");
    reader.subscribe("theirs").expect("subscribe");
    let started = now_ms();
    let stopped = Frozen::start(bus_name, point);
    let pid = stopped.process.id();
    let mut got = Got::default();
    let publishing = publisher(bus_name);
    let mut other = Bus::open(options(bus_name)).expect("open");
    until("the slab is full", || {
        got.take(&mut reader);
        let stats = other.stats();
        stats.slab_used + FRAME > stats.slab_bytes && stats.held.is_some_and(|held| held.by == HeldBy::Writer)
    });
    // Seen by a tick before anybody asks.
    until("the tick has seen it", || {
        got.take(&mut reader);
        now_ms() > started + 1500
    });
    let before = now_ms();
    let stats = reader.stats();
    let held = stats.held.expect("somebody holds the slab");
    assert_eq!((held.by, held.pid, held.thread), (HeldBy::Writer, pid, 0), "{point}");
    assert!(audit(&reader).members.contains(&held.member) && held.member != reader.member());
    assert_eq!(held.bytes, stats.slab_used);
    assert!(held.bytes > stats.slab_bytes - FRAME, "{point}: {} bytes", held.bytes);
    assert!((started..before).contains(&held.since), "{point}: since {} - {started}", held.since);
    // The others see the same, since they looked.
    let theirs_held = other.stats().held.expect("somebody holds the slab");
    assert_eq!((theirs_held.member, theirs_held.by), (held.member, HeldBy::Writer));
    // However long it lasts, nobody is cut off for it, and it stays where it is.
    let waited = Instant::now();
    until("stallTimeout is long over", || {
        got.take(&mut reader);
        waited.elapsed() > STALL_TIMEOUT * 3 / 2
    });
    assert_eq!(reader.stats().held, Some(held), "{point}");
    assert!(!publishing.is_finished(), "{point}: it holds the slab");

    stopped.signal(signal);
    until("all of ours arrive", || {
        got.take(&mut reader);
        got.ours == MESSAGES
    });
    assert_eq!(publishing.join().expect("it publishes"), 0, "{point}: nobody was cut off");
    until("all of theirs arrive", || {
        got.take(&mut reader);
        got.theirs.len() >= theirs.len()
    });
    until("it is gone", || {
        got.take(&mut reader);
        audit(&reader).members.len() == 2
    });
    assert_eq!(got.theirs, theirs, "{point}");
    assert_eq!((audit(&reader).inflight, reader.stats().held), (vec![], None), "{point}");
}

pub fn main() {
    if let (Ok(bus), Ok(point)) = (std::env::var(BUS), std::env::var(POINT)) {
        return child(&bus, &point);
    }
    frozen("continued", Signal::CONT, |_| vec![1, 2, 3]);
    println!("who is stopped inside a publish is told, and all goes on when it is continued: ok");
    frozen("killed", Signal::KILL, |committed| if committed { vec![1, 2] } else { vec![1] });
    println!("who is stopped inside a publish is told, and all goes on when it is killed: ok");
}
