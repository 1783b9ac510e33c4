//! Question: what does a message cost who receives it, and what one of a topic it does not want?
//!
//! Run: cargo bench --bench drain
//!
//! The messages lie in the slab when the clock starts, written by the same thread just before: what it costs to bring them
//! from another core's cache is not in it (`rivals/rust` measures that between processes). `foreign` is the time to pass
//! 8,192 messages of others up to one of one's own, by message; goal: below 5 ns. A drain shows through `try_recv` alone, which
//! makes a `Message` of each: an allocation and a copy are in it.

mod clock;

use clock::{ThreadTime, config, now};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use slabcast::{Bus, Options};
use std::hint::black_box;
use std::time::Duration;

const FOREIGN: u64 = 8192;

fn pair(what: &str) -> (Bus, Bus) {
    let name = format!("bench-drain-{what}-{}", std::process::id());
    let open = || Bus::open(Options::new(&*name)).expect("open");
    let (bus, mut reader) = (open(), open());
    reader.subscribe("mine").expect("subscribe");
    (bus, reader)
}

/// Publishes and receives, the latter timed, `messages` in portions that fit into the slab.
fn received(bus: &mut Bus, reader: &mut Bus, messages: u64, body: &[u8]) -> Duration {
    let portion = (4 << 20) / (body.len() as u64 + 64);
    let mut spent = Duration::ZERO;
    let mut left = messages;
    while left > 0 {
        let some = left.min(portion);
        for _ in 0..some {
            bus.publish_raw("mine", body).expect("publish");
        }
        let start = now();
        for _ in 0..some {
            black_box(reader.try_recv().expect("recv").expect("a message"));
        }
        spent += now() - start;
        left -= some;
    }
    spent
}

fn own(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("receive");
    for (len, name) in [(64, "64 B"), (1024, "1 KiB"), (65_536, "64 KiB")] {
        let (mut bus, mut reader) = pair(&len.to_string());
        let body = vec![7; len];
        received(&mut bus, &mut reader, (32 << 20) / len as u64, &body);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|messages| received(&mut bus, &mut reader, messages, &body));
        });
    }
    group.finish();
}

fn foreign(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("pass a foreign message, topics of others");
    for topics in [1, 1000] {
        let (mut bus, mut reader) = pair(&format!("foreign-{topics}"));
        let names: Vec<String> = (0..topics).map(|n| format!("theirs-{n}")).collect();
        let mut next = names.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            b.iter_custom(|messages| {
                let rounds = messages.div_ceil(FOREIGN);
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    for name in next.by_ref().take(FOREIGN as usize) {
                        bus.publish_raw(name, &[7; 64]).expect("publish");
                    }
                    bus.publish_raw("mine", &[7; 64]).expect("publish");
                    let start = now();
                    // None: it has passed as many as it passes in one go.
                    while reader.try_recv().expect("recv").is_none() {}
                    spent += now() - start;
                }
                spent.mul_f64(messages as f64 / (rounds * FOREIGN) as f64)
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = config(); targets = own, foreign }
criterion_main!(benches);
