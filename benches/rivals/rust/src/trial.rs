//! One system on one row: starts its processes, and adds up what they say.

use crate::member::{self, Report};
use crate::systems::slabcast::Slabcast;
use crate::systems::{Line, Trial, fifo, futex, iceoryx, ring, slabcast};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The first word after the program's name, in a process of a trial.
pub const MEMBER: &str = "--member";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Throughput,
    RoundTrip,
}

/// What a trial found. Of round trips the rate is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub rate: f64,
    pub cpu_s_per_million: f64,
    pub p50: u64,
    pub p99: u64,
}

/// Runs a system once. Err: why it does not count.
pub fn run(system: &str, kind: Kind, len: usize, window: usize, seconds: f64) -> Result<Found, String> {
    static TRIALS: AtomicU32 = AtomicU32::new(0);
    let name = format!("rivals-{}-{}", std::process::id(), TRIALS.fetch_add(1, Relaxed));
    let trial = Trial { name, len, window };
    let _files = Files(&trial);
    let start = |role| Process::start(role, system, &trial, seconds);
    let mut driver = system.starts_with("aeron").then(|| start("drive"));
    if let Some(driver) = &mut driver {
        driver.await_ready()?;
    }
    let (first, second) = match kind {
        Kind::Throughput => ("subscribe", "publish"),
        Kind::RoundTrip => ("answer", "ask"),
    };
    let mut first = start(first);
    first.await_ready()?;
    let mut second = start(second);
    let (one, other) = match kind {
        Kind::Throughput => (first.report()?, second.end()?),
        Kind::RoundTrip => {
            let asked = second.report()?;
            (asked, first.end()?)
        }
    };
    let driven = driver.map(|mut driver| driver.end()).transpose()?.unwrap_or_default().cpu;
    let messages = one.messages as f64;
    let rate = match kind {
        Kind::Throughput if one.messages != other.messages => {
            return Err(format!("{} sent, {} received", other.messages, one.messages));
        }
        Kind::Throughput => messages / ((one.at - other.at) as f64 / 1e9),
        Kind::RoundTrip => messages / seconds,
    };
    let cpu_s_per_million = (one.cpu + other.cpu + driven) / messages * 1e6;
    Ok(Found { rate, cpu_s_per_million, p50: one.p50, p99: one.p99 })
}

/// What a trial may leave, when it fails, in shared memory.
struct Files<'a>(&'a Trial);

impl Drop for Files<'_> {
    fn drop(&mut self) {
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_its = |name: &str| name.strip_prefix("aeron-").unwrap_or(name).starts_with(&self.0.name);
            if name.to_str().is_some_and(is_its) {
                let path = entry.path();
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
        }
    }
}

struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, system: &str, trial: &Trial, seconds: f64) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([MEMBER, role, system, &trial.name]);
        command.args([trial.len.to_string(), trial.window.to_string(), seconds.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let orders = child.stdin.take();
        let says = BufReader::new(child.stdout.take().expect("piped"));
        Process { child, orders, says }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.says.read_line(&mut line) {
            Ok(1..) => Ok(line),
            _ => Err("a process of it failed".into()),
        }
    }

    fn await_ready(&mut self) -> Result<(), String> {
        self.line().map(drop)
    }

    fn report(&mut self) -> Result<Report, String> {
        let line = self.line()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [at, messages, cpu, p50, p99] = words[..] else { return Err(format!("it said {line}")) };
        let number = |word: &str| word.parse().map_err(|_| format!("it said {line}"));
        Ok(Report {
            at: number(at)?,
            messages: number(messages)?,
            cpu: cpu.parse().map_err(|_| format!("it said {line}"))?,
            p50: number(p50)?,
            p99: number(p99)?,
        })
    }

    /// Lets it end, by the end of its orders.
    fn end(&mut self) -> Result<Report, String> {
        self.orders = None;
        self.report()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.orders = None;
        // One that has reported leaves by itself, and is to: some systems clean up only then.
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a process of a trial: returns when the trial says so.
pub fn wait_for_word() {
    let _ = std::io::stdin().read(&mut [0]);
}

fn say(what: &str) {
    println!("{what}");
    std::io::stdout().flush().expect("somebody listens");
}

/// A process of a trial: what `Process::start` asked for.
pub fn take_part(words: &[String]) {
    let [role, system, name, len, window, seconds] = words else { panic!("no such part: {words:?}") };
    let number = |word: &String| word.parse().expect("a number");
    let trial = Trial { name: name.clone(), len: number(len), window: number(window) };
    let seconds = seconds.parse().expect("seconds");
    member::watch(seconds);
    let report = match system.as_str() {
        "slabcast" => play::<Slabcast<{ slabcast::POLLS }>>(role, &trial, seconds),
        "slabcast owned" => play::<Slabcast<{ slabcast::POLLS_TO_KEEP }>>(role, &trial, seconds),
        "slabcast asleep" => play::<Slabcast<{ slabcast::SLEEPS }>>(role, &trial, seconds),
        "iceoryx2" => play::<iceoryx::Iceoryx>(role, &trial, seconds),
        #[cfg(feature = "aeron")]
        "aeron" => play::<crate::systems::aeron::Aeron<false>>(role, &trial, seconds),
        #[cfg(feature = "aeron")]
        "aeron exclusive" => play::<crate::systems::aeron::Aeron<true>>(role, &trial, seconds),
        "memcpy ring" => play::<ring::Ring<false>>(role, &trial, seconds),
        "one copy ring" => play::<ring::Ring<true>>(role, &trial, seconds),
        "futex" => play::<futex::Futex>(role, &trial, seconds),
        "fifo" => play::<fifo::Fifo>(role, &trial, seconds),
        other => panic!("no such system: {other}"),
    };
    let Report { at, messages, cpu, p50, p99 } = report;
    say(&format!("{at} {messages} {cpu} {p50} {p99}"));
}

fn play<L: Line>(role: &str, trial: &Trial, seconds: f64) -> Report {
    let ready = || say("ready");
    match role {
        "publish" => member::publish::<L>(trial, seconds),
        "subscribe" => member::subscribe::<L>(trial, ready),
        "ask" => member::ask::<L>(trial, seconds),
        "answer" => member::answer::<L>(trial, ready),
        #[cfg(feature = "aeron")]
        "drive" => {
            crate::systems::aeron::drive(trial, ready);
            Report { cpu: crate::clock::cpu(), ..Report::default() }
        }
        other => panic!("no such role: {other}"),
    }
}
