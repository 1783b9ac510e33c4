//! Question: how likely is it that a process stopped at a random moment stands inside a publish, where it holds the slab?
//!
//! A publisher, in Rust or in Node, is stopped (SIGSTOP) thousands of times; each time another member looks whether its
//! reservation stands. Printed: how often it did, and from that how long a publish holds its reservation: the fraction
//! of the publisher's processor time (of all time, where it mostly sleeps), divided by its publishes.
//!
//! Run: cargo bench --bench window [-- stops]     (after `npm run build`: with the Node publisher)

use rustix::process::{Pid, Signal, kill_process};
use slabcast::{Bus, HeldBy, Options};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "SLABCAST_BENCH_WINDOW";

/// Publishes that touch the whole slab once: the first touch of a page is not what is measured.
fn lap(bytes: usize) -> u64 {
    (16 << 20) / (64 + bytes as u64) + 1
}

/// A publisher: name of the bus, bytes of a body, messages per second (0: as many as it can).
fn publisher(bus: &str, bytes: usize, rate: u64) -> ! {
    let mut bus = Bus::open(Options::new(bus)).expect("open");
    let body = vec![7; bytes];
    for _ in 0..lap(bytes) {
        bus.publish_raw("t", &body).expect("publish");
    }
    let start = Instant::now();
    let mut sent = 0;
    loop {
        let due = if rate == 0 { u64::MAX } else { start.elapsed().as_micros() as u64 * rate / 1_000_000 };
        // In small portions, as events come.
        for _ in 0..due.saturating_sub(sent).min(64) {
            bus.publish_raw("t", &body).expect("publish");
            sent += 1;
        }
        if rate != 0 && sent >= due {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

struct Stopped {
    process: Child,
}

impl Stopped {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is there");
    }
    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it is there");
        stat.rsplit(')').next().is_some_and(|fields| fields.starts_with(" T"))
    }
    /// Nanoseconds of processor its main thread, which publishes, had.
    fn cpu(&self) -> u64 {
        let pid = self.process.id();
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).expect("it is there");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number")
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn measure(language: &str, bytes: usize, rate: u64, stops: u32) {
    let name = format!("bench-window-{}", std::process::id());
    let mut bus = Bus::open(Options::new(&*name)).expect("open");
    let mut command = match language {
        "Node" => {
            let mut node = Command::new("node");
            node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/node/publisher.js"));
            node
        }
        _ => Command::new(std::env::current_exe().expect("this program")),
    };
    let role = format!("{name} {bytes} {rate}");
    let process = command.env(ROLE, role).stdin(Stdio::piped()).spawn().expect("started");
    let stopped = Stopped { process };
    let mut probes = 0;
    // Many turns of one that publishes now and then, so that the stop is in step with none of them.
    let pause = if rate == 0 { 1_000 } else { 20_000 };
    while bus.stats().position < lap(bytes) + 100 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (start, from, cpu) = (Instant::now(), bus.stats().position, stopped.cpu());
    let (mut inside, mut seed) = (0u32, 1u64);
    for _ in 0..stops {
        // It has run since the last time, and for a random while.
        let seen = bus.stats().position;
        while bus.stats().position == seen {
            std::thread::sleep(Duration::from_micros(20));
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((seed >> 33) % pause));
        stopped.signal(Signal::STOP);
        while !stopped.is_stopped() {
            std::thread::yield_now();
        }
        // Announced but not yet reserved shows too, once somebody else has reserved.
        bus.publish_raw("probe", &[]).expect("publish");
        probes += 1;
        let held = bus.stats().held;
        if held.is_some_and(|held| held.by == HeldBy::Writer && held.pid == stopped.process.id()) {
            inside += 1;
        }
        stopped.signal(Signal::CONT);
    }
    let messages = bus.stats().position - from - probes;
    let per_second = messages as f64 / start.elapsed().as_secs_f64();
    let cpu = stopped.cpu() - cpu;
    let fraction = inside as f64 / stops as f64;
    let error = (fraction * (1.0 - fraction) / stops as f64).sqrt();
    let limit = if rate == 0 { "all it can".into() } else { format!("{rate}/s") };
    // At a limited rate it mostly sleeps: the fraction is of the time, not of its processor time.
    let window = if rate == 0 {
        let each = cpu as f64 / messages as f64;
        format!("{:.0} of {each:.0} ns", fraction * each)
    } else {
        format!("{:.0} ns", fraction / per_second * 1e9)
    };
    println!(
        "| {language} | {bytes} B | {limit} | {per_second:.0}/s | {inside} of {stops} = {:.2} % ± {:.2} | {window} |",
        fraction * 100.0,
        error * 100.0
    );
}

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        let words: Vec<&str> = role.split(' ').collect();
        let [bus, bytes, rate] = words[..] else { panic!("no such role: {role}") };
        publisher(bus, bytes.parse().expect("bytes"), rate.parse().expect("a rate"));
    }
    let stops = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(3000);
    println!(
        "| publisher | body | told to publish | while measured | inside a publish when stopped | a publish holds its reservation |"
    );
    println!("|---|---|---|---|---|---|");
    for bytes in [64, 1024, 65536] {
        measure("Rust", bytes, 0, stops);
    }
    for bytes in [64, 1024, 65536] {
        measure("Node", bytes, 0, stops);
    }
    measure("Node", 1024, 10_000, stops * 2);
    measure("Node", 1024, 1_000, stops * 2);
}
