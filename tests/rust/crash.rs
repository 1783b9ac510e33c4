//! Deaths by the hundred: real processes, killed at random moments, dense enough to hit the few instructions between two
//! steps. What a kill costs in Node's event loop, and everything that needs few kills, is in tests/crash.
//!
//! Each test runs in a mount namespace with an empty /dev/shm where that is permitted. `SLABCAST_SEED` replays the
//! choices of a run, `SLABCAST_ROUNDS` multiplies its length.

mod support;

use slabcast::{Bus, Options, PublishError};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Player, Random, WATCHDOG, folder_of, isolated, lines, nothing_left, role, rounds, say, until};

#[test]
fn child() {
    let Some(role) = role() else { return };
    let words: Vec<&str> = role.split(' ').collect();
    match words[..] {
        ["busy", bus, id, folder] => busy(bus, id.parse().expect("a number"), Path::new(folder)),
        ["writer", bus, value] => writer(bus, value.parse().expect("a byte")),
        ["opener", bus] => opener(bus),
        ["gate", bus, count] => gate(bus, count.parse().expect("a number")),
        ["comer", bus, times] => comer(bus, times.parse().expect("a number")),
        ["storm", bus, seed] => storm(bus, seed.parse().expect("a number")),
        ["judge", bus] => judge(bus),
        ["idle", bus] => idle(bus),
        _ => panic!("no such role: {role}"),
    }
}

// Killed while publishing

const TOPICS: u32 = 3;

fn busy_options(bus: &str) -> Options {
    Options { size: 64 << 10, stall_timeout: None, ..Options::new(bus) }
}

/// What is number `n` of a publisher in a topic.
fn body(publisher: u32, topic: u32, n: u32) -> Vec<u8> {
    let seed = publisher.wrapping_mul(31).wrapping_add(topic * 7).wrapping_add(n.wrapping_mul(13));
    let len = if seed.is_multiple_of(10) { seed.wrapping_mul(2_654_435_761) % 8000 } else { seed % 200 };
    let mut bytes = Vec::with_capacity(12 + len as usize);
    for word in [publisher, topic, n] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(12 + len as usize, seed as u8);
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Got {
    position: u64,
    sequence: u64,
    publisher: u32,
    topic: u32,
    n: u32,
}

/// Publishes and receives everything, until told to stop.
fn busy(name: &str, id: u32, folder: &Path) {
    let mut bus = Bus::open(busy_options(name)).expect("open");
    for topic in 0..TOPICS {
        bus.subscribe(&format!("topic:{topic}")).expect("subscribe");
    }
    let mut acknowledged = File::create(folder.join(format!("acknowledged-{id}"))).expect("a file");
    let mut progress = File::create(folder.join(format!("progress-{id}"))).expect("a file");
    let lines = lines();
    say("ready");
    let mut numbers = [0u32; TOPICS as usize];
    let mut log: Vec<Got> = Vec::new();
    let mut last = 0;
    let mut end = None;
    let mut publishing = true;
    loop {
        match lines.try_recv() {
            Ok(line) if line == "stop" => {
                publishing = false;
                say(&format!("{last} {numbers:?}"));
            }
            Ok(line) => end = Some(line.parse::<u64>().expect("a position")),
            Err(_) => {}
        }
        if publishing {
            for count in 0..16 {
                let topic = (count + id) % TOPICS;
                let n = &mut numbers[topic as usize];
                last = loop {
                    match bus.publish_raw(&format!("topic:{topic}"), &body(id, topic, *n + 1)) {
                        Ok(position) => break position,
                        // The others were faster for so long that what came meanwhile fills the inbox.
                        Err(PublishError::InboxFull { .. }) => receive(&mut bus, &mut log, Duration::ZERO),
                        Err(error) => panic!("{error}"),
                    }
                };
                *n += 1;
                write_at(&mut acknowledged, &n.to_le_bytes(), topic as u64 * 4);
            }
        }
        receive(&mut bus, &mut log, Duration::from_millis(if publishing { 0 } else { 1 }));
        write_at(&mut progress, &(log.len() as u64).to_le_bytes(), 0);
        if end.is_some_and(|end| log.last().is_some_and(|got| got.position >= end)) {
            break;
        }
    }
    let mut file = std::io::BufWriter::new(File::create(folder.join(format!("log-{id}"))).expect("a file"));
    for got in log {
        writeln!(file, "{} {} {} {} {}", got.position, got.sequence, got.publisher, got.topic, got.n)
            .expect("write");
    }
    file.flush().expect("write");
    say("saved");
}

fn write_at(file: &mut File, bytes: &[u8], at: u64) {
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).expect("write");
}

/// Takes what there is, and looks at every byte of it.
fn receive(bus: &mut Bus, log: &mut Vec<Got>, wait: Duration) {
    while let Some(message) = bus.recv_timeout(wait).expect("recv") {
        let bytes = message.bytes();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let (publisher, topic, n) = (word(0), word(4), word(8));
        assert_eq!(message.topic(), format!("topic:{topic}"));
        assert_eq!(bytes, body(publisher, topic, n), "torn at {}", message.position());
        log.push(Got { position: message.position(), sequence: message.sequence(), publisher, topic, n });
    }
}

fn read_log(folder: &Path, id: u32) -> Vec<Got> {
    let text = std::fs::read_to_string(folder.join(format!("log-{id}"))).expect("a log");
    let parse = |line: &str| {
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [position, sequence, publisher, topic, n] = words[..] else { panic!("{line}") };
        Got { position, sequence, publisher: publisher as u32, topic: topic as u32, n: n as u32 }
    };
    text.lines().map(parse).collect()
}

fn read_u64(file: PathBuf) -> u64 {
    std::fs::read(file)
        .ok()
        .and_then(|bytes| Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)))
        .unwrap_or(0)
}

#[test]
fn publishers_killed_anywhere_leave_whole_messages_or_none_and_hold_nobody() {
    isolated("publishers_killed_anywhere_leave_whole_messages_or_none_and_hold_nobody", |isolated| {
        let mut random = Random::new();
        let bus = format!("busy-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("crash-{bus}"));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.to_str().expect("a path").to_owned();
        let start = |id: u32| {
            let player = Player::start(&["busy", &bus, &id.to_string(), &path]);
            assert_eq!(player.hear(), "ready");
            (id, player)
        };
        let mut players: Vec<(u32, Player)> = (0..4).map(start).collect();
        let mut dead = Vec::new();
        let mut longest = Duration::ZERO;
        let kills = rounds(80);
        for next in 0..kills as u32 {
            // The first is never killed: it sees everything.
            let at = 1 + random.below(players.len() as u64 - 1) as usize;
            let (id, victim) = players.remove(at);
            random.pause(3000);
            victim.kill();
            dead.push(id);
            let progress = |id: u32| read_u64(folder.join(format!("progress-{id}")));
            let before: Vec<u64> = players.iter().map(|(id, _)| progress(*id)).collect();
            // More than a slab holds, so that nobody waits for the dead one's room.
            let waited = until("the others go on", || {
                players.iter().zip(&before).all(|((id, _), before)| progress(*id) > before + 1000)
            });
            longest = longest.max(waited);
            players.push(start(4 + next));
        }
        let mut published = HashMap::new();
        let mut last = 0;
        for (id, player) in &mut players {
            player.tell("stop");
            let words = player.hear();
            let (position, numbers) = words.split_once(' ').expect("two words");
            last = last.max(position.parse::<u64>().expect("a position"));
            published.insert(*id, numbers.to_owned());
        }
        for (_, player) in &mut players {
            player.tell(&last.to_string());
            assert_eq!(player.hear(), "saved");
        }
        let reference = read_log(&folder, players[0].0);
        let mut sequences = [0; TOPICS as usize];
        let mut numbers: HashMap<u32, [u32; TOPICS as usize]> = HashMap::new();
        for (at, got) in reference.iter().enumerate() {
            assert_eq!(got.position, reference[0].position + at as u64, "a position was lost or doubled");
            let topic = got.topic as usize;
            sequences[topic] += 1;
            assert_eq!(got.sequence, sequences[topic], "a hole in a sequence: {got:?}");
            let n = &mut numbers.entry(got.publisher).or_default()[topic];
            *n += 1;
            assert_eq!(got.n, *n, "lost, doubled or out of order: {got:?}");
        }
        for (id, published) in &published {
            assert_eq!(&format!("{:?}", numbers[id]), published, "publisher {id} lives and lost messages");
        }
        for id in &dead {
            let bytes = std::fs::read(folder.join(format!("acknowledged-{id}"))).expect("acknowledged");
            for topic in 0..TOPICS as usize {
                let word =
                    bytes.get(topic * 4..topic * 4 + 4).map_or([0; 4], |word| word.try_into().expect("four"));
                let acknowledged = u32::from_le_bytes(word);
                let got = numbers.get(id).map_or(0, |numbers| numbers[topic]);
                // The one in flight is there for all or for none.
                assert!(
                    got == acknowledged || got == acknowledged + 1,
                    "publisher {id}, topic {topic}: {got} of {acknowledged}"
                );
            }
        }
        for (id, _) in &players[1..] {
            let log = read_log(&folder, *id);
            let first = log[0].position;
            let from = (first - reference[0].position) as usize;
            // From its first message on, but for topics it had not subscribed to yet.
            let mut seen = HashSet::new();
            let mut same = reference[from..].iter();
            for got in &log {
                let skipped = same.find(|other| {
                    assert!(*other == got || !seen.contains(&other.topic), "{id} missed {other:?}");
                    *other == got
                });
                assert!(skipped.is_some(), "{id} has what nobody published: {got:?}");
                seen.insert(got.topic);
            }
            assert_eq!(log.last(), reference.last(), "{id} misses the end");
        }
        println!("{} messages, {kills} kills; the longest wait after one: {longest:?}", reference.len());
        for (_, player) in players {
            player.end();
        }
        nothing_left(isolated, &bus, "all left");
        std::fs::remove_dir_all(folder).expect("removed");
    });
}

// Killed while writing into the slab

const LARGE: usize = 256 << 10;

fn writer_options(bus: &str) -> Options {
    Options { size: 1 << 20, stall_timeout: None, ..Options::new(bus) }
}

/// Nearly always in the middle of a frame.
fn writer(name: &str, value: u8) {
    let _ends_with_the_test = lines();
    let mut bus = Bus::open(writer_options(name)).expect("open");
    say("ready");
    loop {
        bus.publish_raw("large", &vec![value; LARGE]).expect("publish");
    }
}

#[test]
fn the_room_of_a_writer_killed_in_the_middle_of_a_frame_comes_back() {
    isolated("the_room_of_a_writer_killed_in_the_middle_of_a_frame_comes_back", |isolated| {
        let mut random = Random::new();
        let bus = format!("writer-{}", std::process::id());
        let mut one = Bus::open(writer_options(&bus)).expect("open");
        let (mut longest, mut committed) = (Duration::ZERO, 0);
        let kills = rounds(60);
        for round in 0..kills {
            // Nobody reads: it never waits, and is in the middle of a frame nearly always.
            let player = Player::start(&["writer", &bus, "7"]);
            assert_eq!(player.hear(), "ready");
            random.pause(2000);
            player.kill();
            // Through all of the slab, the dead one's reservation too.
            let start = Instant::now();
            one.subscribe("large").expect("subscribe");
            for value in 100..108u8 {
                let bytes = vec![value; LARGE];
                one.publish_raw("large", &bytes).expect("publish");
                let next = |one: &mut Bus| one.recv_timeout(WATCHDOG).expect("recv").expect("a message");
                let mut message = next(&mut one);
                if value == 100 && message.publisher() != one.member() {
                    // Committed by the dead one and finalised by the living: it is whole.
                    committed += 1;
                    assert!(message.bytes() == vec![7; LARGE], "torn in round {round}");
                    message = next(&mut one);
                }
                assert!(message.bytes() == bytes, "torn in round {round}");
            }
            assert!(one.try_recv().expect("recv").is_none());
            one.unsubscribe("large");
            longest = longest.max(start.elapsed());
        }
        println!("{kills} kills, {committed} after the commit; the longest wait after one: {longest:?}");
        drop(one);
        nothing_left(isolated, &bus, "all left");
    });
}

// Killed while opening and leaving

/// Makes and removes the bus without end.
fn opener(name: &str) {
    let _ends_with_the_test = lines();
    say("ready");
    loop {
        let mut bus = Bus::open(Options { size: 64 << 10, ..Options::new(name) }).expect("open");
        bus.subscribe("t").expect("subscribe");
        bus.publish("t", &1).expect("publish");
    }
}

#[test]
fn openers_killed_anywhere_leave_nothing_the_next_open_does_not_clean() {
    isolated("openers_killed_anywhere_leave_nothing_the_next_open_does_not_clean", |isolated| {
        let mut random = Random::new();
        let mut found = 0;
        let count = rounds(100);
        for round in 0..count {
            let bus = format!("opener-{}-{}", std::process::id(), round % 7);
            let players: Vec<Player> =
                (0..1 + random.below(3)).map(|_| Player::start(&["opener", &bus])).collect();
            for player in &players {
                assert_eq!(player.hear(), "ready");
            }
            for player in players {
                random.pause(2000);
                player.kill();
            }
            found += folder_of(&bus).exists() as u32;
            // Sometimes by the same name: it is a bus as any other.
            let other = if random.below(2) == 0 { bus.clone() } else { format!("{bus}-other") };
            let mut one = Bus::open(Options { size: 64 << 10, ..Options::new(&other) }).expect("open");
            one.subscribe("t").expect("subscribe");
            one.publish("t", &round).expect("publish");
            let message = one.recv_timeout(WATCHDOG).expect("recv").expect("a message");
            assert_eq!(
                (message.decode::<u64>().expect("decode"), message.sequence()),
                (round, 1),
                "a new bus"
            );
            drop(one);
            nothing_left(isolated, &bus, &format!("round {round}"));
        }
        assert!(found > 0, "no kill left anything: this test does not test what it should");
        println!("{count} rounds, {found} of them left something to clean");
    });
}

// Many at once

/// Opens, speaks and leaves when told.
fn gate(name: &str, count: usize) {
    let lines = lines();
    say("ready");
    while lines.recv_timeout(WATCHDOG).is_ok() {
        let mut bus = Bus::open(Options { size: 64 << 10, ..Options::new(name) }).expect("open");
        bus.subscribe("hello").expect("subscribe");
        let segment = std::fs::read_to_string(folder_of(name).join("segment")).expect("a segment");
        say(&format!("{segment} {}", bus.member()));
        lines.recv_timeout(WATCHDOG).expect("told to speak");
        bus.publish("hello", &bus.member()).expect("publish");
        let mut heard = HashSet::new();
        while heard.len() < count {
            let message = bus.recv_timeout(WATCHDOG).expect("recv").expect("all are heard");
            assert!(heard.insert(message.publisher()), "twice");
        }
        say("heard all");
        lines.recv_timeout(WATCHDOG).expect("told to leave");
        drop(bus);
        say("left");
    }
}

/// Fewer on Windows: where these tests run, it is one process (Wine's) that answers all the others, one call after the other.
const AT_ONCE: usize = if cfg!(windows) { 16 } else { 64 };
const MANY: usize = if cfg!(windows) { 8 } else { 24 };

#[test]
fn many_open_and_leave_at_once_and_meet_on_one_bus() {
    isolated("many_open_and_leave_at_once_and_meet_on_one_bus", |isolated| {
        let bus = format!("gate-{}", std::process::id());
        let mut players: Vec<Player> =
            (0..AT_ONCE).map(|_| Player::start(&["gate", &bus, &AT_ONCE.to_string()])).collect();
        for player in &players {
            assert_eq!(player.hear(), "ready");
        }
        let mut longest = Duration::ZERO;
        for round in 0..rounds(6) {
            let start = Instant::now();
            players.iter_mut().for_each(|player| player.tell("open"));
            let said: Vec<String> = players.iter().map(Player::hear).collect();
            let segments: HashSet<&str> = said.iter().filter_map(|words| words.split(' ').next()).collect();
            assert_eq!(segments.len(), 1, "round {round}: {segments:?}");
            assert_eq!(said.iter().collect::<HashSet<_>>().len(), AT_ONCE, "each is a member of its own");
            for (line, answer) in [("speak", "heard all"), ("leave", "left")] {
                players.iter_mut().for_each(|player| player.tell(line));
                players.iter().for_each(|player| assert_eq!(player.hear(), answer));
            }
            longest = longest.max(start.elapsed());
            nothing_left(isolated, &bus, &format!("round {round}"));
        }
        players.into_iter().for_each(Player::end);
        println!("the longest round: {longest:?}");
    });
}

/// Comes and goes, again and again.
fn comer(name: &str, times: u64) {
    for time in 0..times {
        let mut bus = Bus::open(Options { size: 64 << 10, ..Options::new(name) }).expect("open");
        bus.subscribe("t").expect("subscribe");
        let mine = (bus.member(), time);
        bus.publish("t", &mine).expect("publish");
        loop {
            let message = bus.recv_timeout(WATCHDOG).expect("recv").expect("my own message");
            if message.decode::<(u32, u64)>().expect("decode") == mine {
                break;
            }
        }
    }
}

#[test]
fn coming_and_going_on_several_buses_at_once_is_never_an_error() {
    isolated("coming_and_going_on_several_buses_at_once_is_never_an_error", |isolated| {
        let times = rounds(40).to_string();
        let buses: Vec<String> = (0..4).map(|n| format!("comer-{}-{n}", std::process::id())).collect();
        let players: Vec<Player> =
            (0..MANY).map(|n| Player::start(&["comer", &buses[n % buses.len()], &times])).collect();
        players.into_iter().for_each(Player::end);
        for bus in &buses {
            nothing_left(isolated, bus, "all left");
        }
    });
}

// Killed under the registry lock

const KEPT: u32 = 30;

fn storm_options(bus: &str) -> Options {
    // Small, so that topics take each other's places.
    Options { size: 64 << 10, topics: 64, members: 8, stall_timeout: None, ..Options::new(bus) }
}

/// New topics, subscribe, unsubscribe, attach, leave: all that happens under the lock.
fn storm(name: &str, seed: u64) {
    let _ends_with_the_test = lines();
    let mut random = Random(seed);
    say("ready");
    loop {
        let mut bus = Bus::open(storm_options(name)).expect("open");
        for _ in 0..3000 {
            let topic = if random.below(3) == 0 {
                format!("kept:{}", random.below(KEPT as u64))
            } else {
                format!("other:{}", random.below(500))
            };
            let outcome = match random.below(4) {
                0 => bus.subscribe(&topic).err().map(|error| error.code()),
                1 if topic.starts_with("other") => {
                    bus.try_publish(&topic, &1).err().map(|error| error.code())
                }
                _ => {
                    bus.unsubscribe(&topic);
                    None
                }
            };
            assert!(matches!(outcome, None | Some("ERR_TOO_MANY_TOPICS" | "ERR_FULL")), "{outcome:?}");
            while bus.try_recv().expect("recv").is_some() {}
        }
    }
}

/// Looks every name up afresh and publishes to it.
fn judge(name: &str) {
    let mut bus = Bus::open(storm_options(name)).expect("open");
    for topic in 0..KEPT {
        bus.publish(&format!("kept:{topic}"), &topic).expect("publish");
    }
}

#[test]
fn deaths_under_the_registry_lock_leave_the_table_whole() {
    isolated("deaths_under_the_registry_lock_leave_the_table_whole", |isolated| {
        let mut random = Random::new();
        let bus = format!("storm-{}", std::process::id());
        let mut keeper = Bus::open(storm_options(&bus)).expect("open");
        for topic in 0..KEPT {
            keeper.subscribe(&format!("kept:{topic}")).expect("subscribe");
        }
        let start = |random: &mut Random| {
            let player = Player::start(&["storm", &bus, &random.below(u32::MAX as u64).to_string()]);
            assert_eq!(player.hear(), "ready");
            player
        };
        let mut storms: Vec<Player> = (0..3).map(|_| start(&mut random)).collect();
        let mut longest = Duration::ZERO;
        let kills = rounds(100);
        for round in 1..=kills {
            random.pause(3000);
            storms.remove(0).kill();
            let began = Instant::now();
            let judge = Player::start(&["judge", &bus]);
            let mut missing: HashSet<u32> = (0..KEPT).collect();
            while !missing.is_empty() {
                let message =
                    keeper.recv_timeout(WATCHDOG).expect("recv").expect("every name reaches its subscriber");
                let topic = message.decode::<u32>().expect("decode");
                assert_eq!(message.topic(), format!("kept:{topic}"));
                assert!(missing.remove(&topic), "{topic} came twice");
                // The same entry as ever: its numbers go on.
                assert_eq!(message.sequence(), round, "kept:{topic}");
            }
            judge.end();
            longest = longest.max(began.elapsed());
            storms.push(start(&mut random));
        }
        storms.into_iter().for_each(Player::kill);
        // No bit of a dead subscriber stands in any row: the whole table can be had.
        let mut last = Bus::open(storm_options(&bus)).expect("open");
        let wanted = 64 - KEPT;
        for topic in 0..wanted {
            until("the dead are forgotten", || {
                let _ = keeper.try_recv().expect("recv");
                last.subscribe(&format!("last:{topic}")).is_ok()
            });
        }
        for topic in 0..wanted {
            last.publish(&format!("last:{topic}"), &topic).expect("publish");
        }
        for topic in 0..wanted {
            let message = last.recv_timeout(WATCHDOG).expect("recv").expect("a message");
            assert_eq!(message.decode::<u32>().expect("decode"), topic);
        }
        println!("{kills} kills; the longest wait after one: {longest:?}");
        drop((keeper, last));
        nothing_left(isolated, &bus, "all left");
    });
}

// Killed while whoever would notice waits for room

/// Attached, and nothing else.
fn idle(name: &str) {
    let _bus = Bus::open(busy_options(name)).expect("open");
    let lines = lines();
    say("ready");
    let _ = lines.recv();
}

#[test]
fn who_waits_for_room_looks_after_the_bus_meanwhile() {
    isolated("who_waits_for_room_looks_after_the_bus_meanwhile", |isolated| {
        let bus = format!("waiting-{}", std::process::id());
        // It reads nothing, and so does not look.
        let mut reader = Bus::open(busy_options(&bus)).expect("open");
        reader.subscribe("t").expect("subscribe");
        let mut publisher = Bus::open(busy_options(&bus)).expect("open");
        let idle = Player::start(&["idle", &bus]);
        assert_eq!(idle.hear(), "ready");
        let publishing = std::thread::spawn(move || {
            for _ in 0..100 {
                publisher.publish_raw("t", &[0; 1000]).expect("once there is room");
            }
        });
        until("the slab is full", || reader.stats().slab_used > 60 << 10);
        idle.kill();
        until("the dead one is found", || reader.stats().members_attached == 2);
        assert!(!publishing.is_finished(), "it waits as long as nobody reads");
        drop(reader);
        publishing.join().expect("then it went on");
        nothing_left(isolated, &bus, "all left");
    });
}
