//! Question: what do topics cost, with one in the table and with 100,000?
//!
//! Run: cargo bench --bench registry
//!
//! `known`: a publish to a topic that this process has met; less what `publish` says of the rest, it is the lookup, which the
//! public API does not show alone. `met first`: the topic is in the table, but this process has not used it yet: another one
//! made it, and each name is asked once. `made`: the topic is new, so that the registry's lock is taken. These three publish
//! an empty message. `subscribe and unsubscribe` is both together, of a topic that is there, each under the lock.

mod clock;

use clock::{ThreadTime, config, now};
use criterion::{BenchmarkId, Criterion, criterion_group};
use slabcast::{Bus, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROLE: &str = "SLABCAST_BENCH_REGISTRY";
const TOPICS: [usize; 2] = [1, 100_000];
/// So many are made in one bus before it is made anew: what is measured with one topic is not to end with a full table.
const MADE: usize = 1000;

fn name_of(what: &str) -> String {
    format!("bench-registry-{what}-{}", std::process::id())
}

fn filled(name: &str, topics: usize) -> Bus {
    let mut bus = Bus::open(Options::new(name)).expect("open");
    for n in 0..topics {
        bus.publish_raw(&format!("topic-{n}"), &[]).expect("publish");
    }
    bus
}

/// Another process that has made the topics, and stays.
struct Maker(Child);

impl Maker {
    fn start(name: &str, topics: usize) -> Maker {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(ROLE, format!("{name} {topics}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut maker = Maker(command.spawn().expect("started"));
        let mut line = String::new();
        let says = maker.0.stdout.take().expect("piped");
        BufReader::new(says).read_line(&mut line).expect("it is ready");
        maker
    }

    fn run(role: &str) -> ! {
        let (name, topics) = role.split_once(' ').expect("a name and a number");
        let bus = filled(name, topics.parse().expect("a number"));
        println!("ready");
        std::io::stdout().flush().expect("somebody listens");
        let _ = std::io::stdin().read(&mut [0]);
        drop(bus);
        std::process::exit(0)
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn known(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish to a topic, known");
    for topics in TOPICS {
        let mut bus = filled(&name_of("known"), topics);
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            b.iter(|| bus.publish_raw("topic-0", &[]).expect("publish"));
        });
    }
    group.finish();
}

fn met_first(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish to a topic, met first");
    // With one topic it would be the opening that is measured.
    let topics = TOPICS[1];
    let name = name_of("met");
    let _maker = Maker::start(&name, topics);
    let names: Vec<String> = (0..topics).map(|n| format!("topic-{n}")).collect();
    let open = || Bus::open(Options::new(&*name)).expect("open");
    let mut bus = Some(open());
    let mut at = 0;
    group.bench_function(BenchmarkId::from_parameter(topics), |b| {
        b.iter_custom(|messages| {
            let mut spent = Duration::ZERO;
            let mut left = messages;
            while left > 0 {
                if at == topics {
                    // The last of this process to leave takes with it what the process knew.
                    at = 0;
                    drop(bus.take());
                }
                let bus = bus.get_or_insert_with(open);
                let some = left.min((topics - at) as u64);
                let start = now();
                for name in &names[at..at + some as usize] {
                    bus.publish_raw(name, &[]).expect("publish");
                }
                spent += now() - start;
                at += some as usize;
                left -= some;
            }
            spent
        });
    });
    group.finish();
}

fn made(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish to a topic, made");
    for topics in TOPICS {
        let name = name_of("made");
        let mut bus = None;
        let mut at = 0;
        // In a table of 131,072 there is room for some rounds before it has to be filled anew.
        let room = if topics == 1 { MADE } else { 30 * MADE };
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            b.iter_custom(|messages| {
                let mut spent = Duration::ZERO;
                let mut left = messages;
                while left > 0 {
                    if at == room {
                        at = 0;
                        drop(bus.take());
                    }
                    let bus = bus.get_or_insert_with(|| filled(&name, topics));
                    let some = left.min((room - at) as u64);
                    let names: Vec<String> = (at..at + some as usize).map(|n| format!("new-{n}")).collect();
                    let start = now();
                    for name in &names {
                        bus.publish_raw(name, &[]).expect("publish");
                    }
                    spent += now() - start;
                    at += some as usize;
                    left -= some;
                }
                spent
            });
        });
    }
    group.finish();
}

fn subscribing(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("subscribe and unsubscribe");
    for topics in TOPICS {
        let mut bus = filled(&name_of("subscribe"), topics);
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            b.iter(|| {
                bus.subscribe("topic-0").expect("subscribe");
                bus.unsubscribe("topic-0")
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = config(); targets = known, met_first, made, subscribing }

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        Maker::run(&role);
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
