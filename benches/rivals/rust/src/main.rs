//! Question: how fast is one process to another in Rust, by slabcast, by iceoryx2, by Aeron over IPC, and how far are all of
//! them from what the machine gives?
//!
//! cargo run --release --features aeron -- [--seconds 1] [--rounds 5] [--rows beginning] [--systems name,name] [--window MiB]
//! [--json FILE]
//!
//! In each round every system runs every row, one after the other, so that a noisy machine is noisy for all; what is compared
//! is the ratio within a round. Printed are the medians of the rounds, with the smallest and largest.

mod clock;
mod member;
mod message;
mod systems;
mod trial;

use serde_json::{Value, json};
use std::process::ExitCode;
use trial::{Found, Kind, MEMBER};

struct Row {
    name: &'static str,
    kind: Kind,
    len: usize,
    /// The first is the one the others are compared with.
    systems: &'static [&'static str],
}

/// slabcast by the other API: its messages are the reader's to keep.
const OWNED: &str = "slabcast owned";

const POLLING: &[&str] = &[
    "slabcast",
    OWNED,
    "iceoryx2",
    #[cfg(feature = "aeron")]
    "aeron",
    #[cfg(feature = "aeron")]
    "aeron exclusive",
    "memcpy ring",
    "one copy ring",
];
const ASLEEP: &[&str] = &["slabcast asleep", "futex", "fifo"];

const ROWS: [Row; 5] = [
    Row { name: "64 B", kind: Kind::Throughput, len: 64, systems: POLLING },
    Row { name: "1 KiB", kind: Kind::Throughput, len: 1024, systems: POLLING },
    Row { name: "64 KiB", kind: Kind::Throughput, len: 65_536, systems: POLLING },
    Row { name: "round trip 64 B, polling", kind: Kind::RoundTrip, len: 64, systems: POLLING },
    Row { name: "round trip 64 B, asleep", kind: Kind::RoundTrip, len: 64, systems: ASLEEP },
];

struct Options {
    seconds: f64,
    rounds: usize,
    rows: String,
    systems: String,
    window: usize,
    json: Option<String>,
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        seconds: 1.0,
        rounds: 5,
        rows: String::new(),
        systems: String::new(),
        window: 16 << 20,
        json: None,
    };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} takes a value", pair[0])) };
        let number = || value.parse::<f64>().ok().filter(|number| *number > 0.0).ok_or("a number, please");
        match name.as_str() {
            "--seconds" => options.seconds = number()?,
            "--rounds" => options.rounds = number()?.ceil() as usize,
            "--rows" => options.rows = value.clone(),
            "--systems" => options.systems = value.clone(),
            "--window" => options.window = (number()? as usize) << 20,
            "--json" => options.json = Some(value.clone()),
            _ => return Err(format!("no such option: {name}")),
        }
    }
    Ok(options)
}

/// Median, smallest and largest.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        // Of two rounds neither is the median.
        let [low, high] = [(sorted.len() - 1) / 2, sorted.len() / 2].map(|at| sorted[at]);
        Spread { median: (low + high) / 2.0, least: sorted[0], most: sorted[sorted.len() - 1] }
    }
    fn json(self, round: impl Fn(f64) -> f64) -> Value {
        json!({ "median": round(self.median), "least": round(self.least), "most": round(self.most) })
    }
    fn text(self, unit: f64, digits: usize) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(|number| number / unit);
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(1).collect()
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = text.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split(": ").nth(1)).unwrap_or("processor");
    format!("{} x {model}", models.len())
}

/// Of throughput how many times as many, of round trips how many times as long: of slabcast to another.
fn times(kind: Kind, own: &[Found], others: &[Found]) -> Spread {
    Spread::of(own.iter().zip(others).map(|(own, one)| match kind {
        Kind::Throughput => own.rate / one.rate,
        Kind::RoundTrip => own.p50 as f64 / one.p50 as f64,
    }))
}

/// Prints a row, and returns it for who reads it by program.
fn tell(row: &Row, found: &[(&str, Vec<Found>)]) -> Vec<Value> {
    println!("{}", row.name);
    let own = &found[0].1;
    let owned = found.iter().find(|(system, _)| *system == OWNED).map(|(_, trials)| trials);
    let mut entries = Vec::new();
    for (at, (system, trials)) in found.iter().enumerate() {
        let over = |value: fn(&Found) -> f64| Spread::of(trials.iter().map(value));
        let (rate, cpu) = (over(|one| one.rate), over(|one| one.cpu_s_per_million));
        let (p50, p99) = (over(|one| one.p50 as f64), over(|one| one.p99 as f64));
        let lent = times(row.kind, own, trials);
        let owned = owned.filter(|_| at > 0 && *system != OWNED).map(|own| times(row.kind, own, trials));
        let cost = Spread::of(
            own.iter().zip(trials).map(|(own, one)| own.cpu_s_per_million / one.cpu_s_per_million),
        );
        let numbers = match row.kind {
            Kind::Throughput => format!("{:>26} k/s", rate.text(1e3, 0)),
            Kind::RoundTrip => format!("{:>26} ns p50 {:>26} ns p99", p50.text(1.0, 0), p99.text(1.0, 0)),
        };
        let compared = match (at, row.kind) {
            (0, _) => String::new(),
            (_, Kind::Throughput) => format!("   slabcast: {} times the rate", lent.text(1.0, 2)),
            (_, Kind::RoundTrip) => format!("   slabcast: {} of the time", lent.text(1.0, 2)),
        };
        let costs = if at == 0 { String::new() } else { format!(", {} of the CPU", cost.text(1.0, 2)) };
        let kept = owned.map(|owned| format!(", owned {}", owned.text(1.0, 2))).unwrap_or_default();
        println!("  {system:16} {numbers}  {:>20} CPU s/M{compared}{kept}{costs}", cpu.text(1.0, 2));
        let mut entry = json!({
            "row": row.name,
            "system": system,
            "rate_per_s": rate.json(f64::round),
            "cpu_s_per_million": thousandths(cpu.median),
        });
        if row.kind == Kind::RoundTrip {
            entry["round_trip_ns"] = json!({ "p50": p50.median, "p99": p99.median });
        }
        if at > 0 {
            entry["ratio"] = lent.json(thousandths);
            if let Some(owned) = owned {
                entry["owned_ratio"] = owned.json(thousandths);
            }
            entry["cpu_ratio"] = cost.json(thousandths);
        }
        entries.push(entry);
    }
    println!();
    entries
}

fn measure(options: &Options) -> Result<(), String> {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.name.starts_with(&options.rows)).collect();
    if rows.is_empty() {
        return Err(format!("no row of that name: {}", ROWS.map(|row| row.name).join("; ")));
    }
    let wanted: Vec<&str> = options.systems.split(',').filter(|name| !name.is_empty()).collect();
    let chosen = |row: &Row| -> Vec<&str> {
        let all = row.systems.iter().copied().enumerate();
        let picked = all.filter(|(at, name)| *at == 0 || wanted.is_empty() || wanted.contains(name));
        picked.map(|(_, name)| name).collect()
    };
    println!(
        "{}, {} rounds of {} s, {} MiB on the way, load {}{}\n",
        machine(),
        options.rounds,
        options.seconds,
        options.window >> 20,
        load(),
        if cfg!(feature = "aeron") { "" } else { ", without Aeron (--features aeron)" }
    );
    let mut found: Vec<Vec<(&str, Vec<Found>)>> =
        rows.iter().map(|row| chosen(row).into_iter().map(|name| (name, Vec::new())).collect()).collect();
    for round in 0..options.rounds {
        for (row, systems) in rows.iter().zip(&mut found) {
            // Each goes first in turn: what a run leaves warm or busy is not always the same one's gain.
            for at in 0..systems.len() {
                let turn = (at + round) % systems.len();
                let (system, trials) = &mut systems[turn];
                let trial = trial::run(system, row.kind, row.len, options.window, options.seconds);
                trials.push(trial.map_err(|wrong| format!("{system}, {}: {wrong}", row.name))?);
            }
        }
    }
    let entries: Vec<Value> = rows.iter().zip(&found).flat_map(|(row, systems)| tell(row, systems)).collect();
    println!("load {} at the end", load());
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", Value::Array(entries));
        std::fs::write(file, text).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == MEMBER) {
        trial::take_part(&words[1..]);
        return ExitCode::SUCCESS;
    }
    match options(&words).and_then(|options| measure(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
