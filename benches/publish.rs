//! Question: what does a publish cost who publishes, and how does that grow with the body, with the topics of the bus and with
//! those who read?
//!
//! Run: cargo bench --bench publish
//!
//! Of what a publish does (look up, reserve, write, commit, post) the public API shows the sum alone. `nobody`: no member
//! reads, the slab is as large as by default, and its memory has been touched. `batch`: 64 messages at once, time per message.
//! `readers`: members that are awake and read on, in this thread, while the clock stands; a publish then looks at each of
//! them once and posts to none. A reader that sleeps costs a system call and is not measured here.

mod clock;

use clock::{ThreadTime, config, now};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use slabcast::{Bus, Options};
use std::time::Duration;

const SIZES: [(usize, &str); 3] = [(64, "64 B"), (1024, "1 KiB"), (65_536, "64 KiB")];
const TOPICS: [u32; 2] = [1, 100_000];

fn open(what: &str) -> Bus {
    let name = format!("bench-publish-{what}-{}", std::process::id());
    Bus::open(Options::new(name)).expect("open")
}

/// Once round the slab: the first touch of a page is not what is measured.
fn touch(bus: &mut Bus) {
    let body = vec![0; 64 << 10];
    for _ in 0..300 {
        bus.publish_raw("topic-0", &body).expect("publish");
    }
}

fn nobody(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish to nobody");
    let mut bus = open("nobody");
    touch(&mut bus);
    for (len, name) in SIZES {
        let body = vec![7; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| b.iter(|| bus.publish_raw("topic-0", &body).expect("publish")));
    }
    group.finish();
    let mut group = c.benchmark_group("publish to nobody, batch of 64, per message");
    for (len, name) in SIZES {
        let body = vec![7; len];
        // All of a batch take at most half of the slab.
        let bodies = vec![body.as_slice(); 64];
        group.bench_function(name, |b| {
            b.iter_custom(|messages| {
                let batches = messages.div_ceil(64);
                let start = now();
                for _ in 0..batches {
                    bus.publish_raw_many("topic-0", &bodies).expect("publish");
                }
                (now() - start).mul_f64(messages as f64 / (batches * 64) as f64)
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("publish to nobody, a value");
    let value = ("chat", 17u64, [1.5f64, 2.5, 3.5], "a text of some length, as in a chat room");
    group.bench_function("(str, u64, [f64; 3], str)", |b| b.iter(|| bus.publish("topic-0", &value)));
    group.finish();
}

fn topics(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish 64 B to nobody, topics of the bus");
    for topics in TOPICS {
        let mut bus = open(&format!("topics-{topics}"));
        let names: Vec<String> = (0..topics).map(|n| format!("topic-{n}")).collect();
        for name in &names {
            bus.publish_raw(name, &[]).expect("publish");
        }
        touch(&mut bus);
        let body = [7; 64];
        group.bench_function(BenchmarkId::new("always the same", topics), |b| {
            b.iter(|| bus.publish_raw("topic-0", &body).expect("publish"));
        });
        // A step that meets all of them, in an order that no cache foresees.
        let mut at = 0;
        group.bench_function(BenchmarkId::new("by turns", topics), |b| {
            b.iter(|| {
                at = (at + 38_197) % names.len();
                bus.publish_raw(&names[at], &body).expect("publish")
            });
        });
    }
    group.finish();
}

fn readers(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("publish 64 B, readers");
    for count in [1, 64] {
        let what = format!("readers-{count}");
        let mut bus = open(&what);
        let mut readers: Vec<Bus> = (0..count).map(|_| open(&what)).collect();
        for reader in &mut readers {
            reader.subscribe("topic-0").expect("subscribe");
        }
        touch_and_read(&mut bus, &mut readers);
        let body = [7; 64];
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_custom(|messages| {
                let mut spent = Duration::ZERO;
                let mut left = messages;
                while left > 0 {
                    let some = left.min(1000);
                    let start = now();
                    for _ in 0..some {
                        bus.publish_raw("topic-0", &body).expect("publish");
                    }
                    spent += now() - start;
                    left -= some;
                    read_on(&mut readers);
                }
                spent
            });
        });
    }
    group.finish();
}

fn touch_and_read(bus: &mut Bus, readers: &mut [Bus]) {
    let body = vec![0; 64 << 10];
    for _ in 0..300 {
        bus.publish_raw("topic-0", &body).expect("publish");
        read_on(readers);
    }
}

fn read_on(readers: &mut [Bus]) {
    for reader in readers {
        while reader.try_recv().expect("recv").is_some() {}
    }
}

criterion_group! { name = benches; config = config(); targets = nobody, topics, readers }
criterion_main!(benches);
