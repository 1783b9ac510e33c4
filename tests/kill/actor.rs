//! A process that does what it is told, line by line: neighbours, victims, and those who come after.
//!
//! It answers each line; one who publishes answers as soon as `publish` has returned, so that whoever dies later leaves
//! word of it.

use crate::member::{Member, SLAB, TRAFFIC, name_of};
use crate::support::{folder_of, lines, say};
use slabcast::audit::audit;
use slabcast::kill_points::{Act, arm, disarm};
use slabcast::{Bus, Options};
use std::io::Write;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// Every topic.
const ALL: &str = "topic:*";
/// Longer than the interval at which a member looks after the bus.
const TICK: Duration = Duration::from_millis(1050);

/// How long it sleeps before it listens to what it is told. Much longer than it is awake in between: on Windows, under Wine, each
/// of its calls waits for one process.
const FOLLOW: Duration = Duration::from_millis(if cfg!(windows) { 100 } else { 10 });

/// What it does when it is not told anything.
#[derive(PartialEq)]
enum Mode {
    Nothing,
    /// Receives, asleep in between.
    Follow,
    /// Publishes and receives.
    Traffic,
}

struct Actor {
    id: u32,
    options: Options,
    member: Option<Member>,
    mode: Mode,
    lines: Receiver<String>,
    round: u32,
}

pub fn options(bus: &str, members: u32, topics: u32) -> Options {
    Options { size: SLAB, members, topics, stall_timeout: None, ..Options::new(bus) }
}

pub fn act(id: u32, options: Options) {
    let mut actor = Actor { id, options, member: None, mode: Mode::Nothing, lines: lines(), round: 0 };
    say("ready");
    while actor.turn() {}
}

impl Actor {
    fn turn(&mut self) -> bool {
        let line = if self.mode == Mode::Nothing {
            self.lines.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            self.lines.try_recv()
        };
        match line {
            Ok(line) => {
                let answer = self.told(&line);
                say(&answer);
            }
            Err(TryRecvError::Disconnected) => return false,
            Err(TryRecvError::Empty) => self.go_on(),
        }
        true
    }

    fn go_on(&mut self) {
        let traffic = self.mode == Mode::Traffic;
        let round = self.round;
        self.round += 1;
        let id = self.id;
        let member = self.member();
        if traffic {
            // Of all sizes, some of many blocks.
            let len = if round % 16 == 15 { 5000 } else { (round * 397 + id * 71) % 1500 };
            member.publish((round + id) % TRAFFIC.end, len as usize);
            member.receive(Duration::ZERO);
            // Not to take the machine from everybody else.
            std::thread::sleep(Duration::from_micros(100));
        } else {
            member.receive(FOLLOW);
        }
    }

    fn member(&mut self) -> &mut Member {
        self.member.as_mut().expect("opened")
    }

    fn open(&mut self, options: Options) -> String {
        match Bus::open(options) {
            Ok(bus) => {
                let number = bus.member();
                self.member = Some(Member::new(bus, self.id));
                format!("opened {number}")
            }
            Err(error) => format!("error {}", error.code()),
        }
    }

    fn told(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().expect("a number");
        match words[0] {
            "open" => self.open(self.options.clone()),
            "open-as" => self.open(Options { name: words[1].into(), ..self.options.clone() }),
            "open-too-large" => self.open(Options { size: 64 << 30, ..self.options.clone() }),
            "stall" => {
                self.options.stall_timeout = Some(Duration::from_millis(number(1).into()));
                "stall".into()
            }
            "subscribe" => {
                let mut topics = words[1].split('-').map(|word| word.parse().expect("a number"));
                let first: u32 = topics.next().expect("a topic");
                for topic in first..=topics.next().unwrap_or(first) {
                    if let Err(error) = self.member().subscribe(topic) {
                        return format!("error {}", error.code());
                    }
                }
                "subscribed".into()
            }
            "psubscribe" => match self.member().bus.psubscribe(ALL) {
                Ok(()) => "subscribed".into(),
                Err(error) => format!("error {}", error.code()),
            },
            "punsubscribe" => format!("{}", self.member().bus.punsubscribe(ALL)),
            "subscribe-past" => match self.member().subscribe_past(number(1)) {
                Ok(()) => "subscribed".into(),
                Err(error) => format!("error {}", error.code()),
            },
            "subscribe-durable" => match self.member().subscribe_durable(number(1)) {
                Ok(()) => "subscribed".into(),
                Err(error) => format!("error {}", error.code()),
            },
            "take" => self.member().take(number(1) as usize),
            "join" | "leave-group" => {
                let (topic, group) = (name_of(number(1)), words.get(2).unwrap_or(&"group"));
                let bus = &mut self.member().bus;
                if words[0] == "leave-group" {
                    return format!("{}", bus.unsubscribe_group(&topic, group));
                }
                bus.subscribe_group(&topic, group)
                    .map_or_else(|error| format!("error {}", error.code()), |()| "joined".into())
            }
            "unsubscribe" => format!("{}", self.member().bus.unsubscribe(&name_of(number(1)))),
            "publish" => self.publish(number(1), number(2), words.get(3).map_or(1, |_| number(3))),
            "publish-many" => {
                let (topic, len, count) = (number(1), number(2), number(3));
                let (n, position) = self.member().publish_many(topic, len as usize, count);
                say(&format!("published {topic} {n} {position}"));
                "published all".into()
            }
            "make" => {
                let (first, last) = words[1].split_once('-').expect("a range");
                for topic in first.parse().expect("a number")..=last.parse().expect("a number") {
                    self.publish(topic, 40, 1);
                }
                "made".into()
            }
            "remove-files" => {
                std::fs::remove_dir_all(folder_of(&self.options.name)).expect("removed");
                "removed".into()
            }
            "approach" => self.approach(number(1) as u64),
            "fill" => self.fill(number(1) as u64),
            "read" => format!("read {}", self.member().receive(Duration::ZERO)),
            "sleep" => {
                self.member().receive(Duration::from_secs(3600));
                "woken".into()
            }
            "tick" => {
                let start = Instant::now();
                // Looks in between would move the tick away.
                std::thread::sleep(TICK);
                self.member().receive(Duration::ZERO);
                format!("ticked after {:?}", start.elapsed())
            }
            "follow" => self.mode(Mode::Follow),
            "traffic" => self.mode(Mode::Traffic),
            "stop" => {
                // It reads on, not to be in the way of who has not stopped yet.
                self.mode = Mode::Follow;
                format!("{:?}", self.member().published)
            }
            "save" => self.save(number(1).into(), words[2]),
            "gaps" => {
                let gaps = &self.member().gaps;
                let told: Vec<_> =
                    gaps.iter().map(|gap| format!("{}={}-{}", gap.topic, gap.from, gap.to)).collect();
                told.join(" ")
            }
            "arm" => {
                let (point, rest) = line["arm ".len()..].split_once('|').expect("a point");
                let (nth, act) = rest.split_once('|').expect("a number");
                let act = match act {
                    "kill" => Act::Kill,
                    #[cfg(unix)]
                    "stop" => Act::Stop,
                    _ => panic!("no such act: {act}"),
                };
                arm(point, nth.parse().expect("a number"), act);
                "armed".into()
            }
            "disarm" => (if disarm() { "unreached" } else { "reached" }).into(),
            "leave" => {
                self.member = None;
                self.mode = Mode::Nothing;
                "left".into()
            }
            _ => panic!("what is {line}?"),
        }
    }

    fn mode(&mut self, mode: Mode) -> String {
        self.mode = mode;
        "so it is".into()
    }

    fn publish(&mut self, topic: u32, len: u32, times: u32) -> String {
        for _ in 0..times {
            let member = self.member();
            let (n, position) = member.publish(topic, len as usize);
            say(&format!("published {topic} {n} {position}"));
            member.receive(Duration::ZERO);
        }
        "published all".into()
    }

    fn alloc(&mut self) -> u64 {
        audit(&self.member().bus).alloc
    }

    /// Publishes until a frame of `bytes` would go round the slab's end. Nobody else may publish.
    fn approach(&mut self, bytes: u64) -> String {
        loop {
            let left = SLAB - self.alloc() % SLAB;
            if left < bytes {
                return format!("{left} bytes are left");
            }
            self.publish(0, 100, 1);
        }
    }

    /// Publishes until exactly a frame of `bytes` fits, on a bus on which nobody else publishes and nobody reads.
    fn fill(&mut self, bytes: u64) -> String {
        let end = 2 * SLAB - bytes;
        while self.alloc() < end {
            // A frame of two blocks, and of three for the last odd one.
            let odd = end - self.alloc() == 64 * 3;
            self.publish(0, if odd { 100 } else { 40 }, 1);
        }
        assert_eq!(self.alloc(), end);
        "filled".into()
    }

    /// Receives up to that position, then writes down what it got.
    fn save(&mut self, end: u64, path: &str) -> String {
        let member = self.member();
        crate::support::until("the end is received", || {
            member.receive(Duration::from_millis(5));
            member.log.last().is_some_and(|got| got.position >= end)
        });
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
        for got in &member.log {
            writeln!(file, "{got}").expect("write");
        }
        file.flush().expect("write");
        "saved".into()
    }
}
