//! Request and respond of the Rust API. Threads are members of their own; processes, and Node, are in `tests/node/rust-peer.test.js`.

use slabcast::{Bus, HandlerError, Message, Options, PublishError, RecvError, RequestError, TopicError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A bus of its own for each test.
fn options() -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Options::new(format!("requests-{}-{n}", std::process::id()))
}

const LONG: Duration = Duration::from_secs(60);
const NEVER: Duration = Duration::MAX;

/// A thread that responds to "t" until it is dropped: a number is doubled, "fail" is an error, to "never" it says nothing, "stop" ends
/// its responding, "leave" its bus.
struct Responder {
    asked: Receiver<String>,
    go_on: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    fn start(options: Options) -> Responder {
        let (said, asked) = channel();
        let (go_on, may_go_on) = channel();
        let thread = std::thread::spawn(move || {
            let mut bus = Bus::open(options).expect("open");
            bus.respond("t").expect("respond");
            said.send("ready".to_owned()).expect("a test");
            loop {
                let Some(request) = bus.recv_timeout(Duration::from_millis(5)).expect("recv") else {
                    if matches!(may_go_on.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                        return;
                    }
                    continue;
                };
                assert!(request.is_request());
                assert_eq!(request.topic(), "t");
                if let Ok(number) = request.decode::<u64>() {
                    bus.reply(&request, &(number * 2)).expect("reply");
                    continue;
                }
                let what: String = request.decode().expect("a text");
                said.send(what.clone()).expect("a test");
                match &*what {
                    "fail" => {
                        let mut error = HandlerError::new("too far");
                        error.name = "RangeError".into();
                        error.code = Some("E_TOO_FAR".into());
                        bus.reply_error(&request, &error).expect("reply");
                    }
                    "stop" => {
                        // Until others have asked, too: they are not handed out yet.
                        let _ = may_go_on.recv();
                        assert!(bus.stop_responding("t"));
                        assert!(!bus.stop_responding("t"));
                        bus.reply(&request, "stopped").expect("reply");
                    }
                    "leave" => {
                        bus.close();
                        return;
                    }
                    _ => {}
                }
            }
        });
        let responder = Responder { asked, go_on, thread: Some(thread) };
        assert_eq!(responder.hear(), "ready");
        responder
    }

    fn hear(&self) -> String {
        self.asked.recv_timeout(LONG).expect("the responder says something")
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(std::mem::replace(&mut self.go_on, channel().0));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "a responder failed");
    }
}

fn number(answer: Message) -> u64 {
    answer.decode().expect("a number")
}

fn code(result: &Result<Message, RequestError>) -> Option<&str> {
    result.as_ref().err().and_then(RequestError::code)
}

#[test]
fn a_request_is_answered_by_who_responds_and_what_else_comes_is_kept() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let _responder = Responder::start(options);
    bus.subscribe("other").expect("subscribe");
    for at in 0..100u64 {
        bus.publish("other", &at).expect("publish");
        let answer = bus.request("t", &at, LONG).expect("an answer");
        assert_eq!((answer.topic(), answer.is_request()), ("t", false));
        assert_ne!(answer.publisher(), bus.member());
        assert_eq!(number(answer), 2 * at);
    }
    for at in 0..100u64 {
        let message = bus.try_recv().expect("recv").expect("a message");
        assert_eq!((message.topic(), number(message.clone())), ("other", at));
    }
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn an_error_of_a_handler_comes_with_name_message_and_code() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let _responder = Responder::start(options);
    let failed = bus.request("t", "fail", LONG).expect_err("an error");
    assert_eq!((failed.to_string().as_str(), failed.code()), ("RangeError: too far", Some("E_TOO_FAR")));
}

#[test]
fn who_asks_when_nobody_responds_is_told_at_once() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let mut other = Bus::open(options).expect("open");
    other.subscribe("t").expect("subscribe");
    // What it responds to itself it does not answer: it waits.
    bus.respond("t").expect("respond");
    let result = bus.request("t", &1, NEVER);
    assert_eq!(code(&result), Some("ERR_NO_RESPONDERS"));
    assert!(bus.request_many("t", &1, NEVER).expect("results").is_empty());
    assert!(other.try_recv().expect("recv").is_none(), "subscribers see no requests");
    assert!(bus.topics().iter().all(|info| info.topic == "t"));
}

#[test]
fn who_asks_somebody_that_leaves_or_ceases_to_respond_is_told() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let responder = Responder::start(options.clone());
    assert_eq!(code(&bus.request("t", "leave", NEVER)), Some("ERR_NO_RESPONDERS"));
    assert_eq!(responder.hear(), "leave");

    let responder = Responder::start(options.clone());
    let mut second = Bus::open(options.clone()).expect("open");
    let asker =
        std::thread::spawn(move || second.request("t", "stop", LONG).map(|answer| answer.decode::<String>()));
    assert_eq!(responder.hear(), "stop");
    // Asked while it has not ceased, and handed out to nobody.
    let third = std::thread::spawn(move || {
        let result = bus.request("t", &1, NEVER);
        (code(&result).map(str::to_owned), bus)
    });
    // There is something to be read for it: only then.
    let mut watcher = Bus::open(options).expect("open");
    while watcher.stats().position < 3 {
        std::thread::yield_now();
    }
    responder.go_on.send(()).expect("a responder");
    assert_eq!(third.join().expect("a result").0.as_deref(), Some("ERR_NO_RESPONDERS"));
    let stopped = asker.join().expect("a result").expect("an answer").expect("a text");
    assert_eq!(stopped, "stopped", "what was handed out is still answered");
    assert_eq!(code(&watcher.request("t", &1, NEVER)), Some("ERR_NO_RESPONDERS"));
}

#[test]
fn what_is_not_answered_in_time_is_told_and_what_comes_late_is_dropped() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let mut late = Bus::open(options).expect("open");
    late.respond("t").expect("respond");
    let short = Duration::from_millis(20);
    assert_eq!(code(&bus.request("t", &1, short)), Some("ERR_TIMEOUT"));
    let request = late.recv_timeout(LONG).expect("recv").expect("a request");
    late.reply(&request, "late").expect("reply");
    late.reply_error(&request, &HandlerError::new("later")).expect("reply");
    assert!(bus.try_recv().expect("recv").is_none());
    assert_eq!(code(&bus.request("t", &1, short)), Some("ERR_TIMEOUT"), "not the late one");
}

#[test]
fn request_many_has_a_result_for_each_who_was_asked() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let responders: Vec<_> = (0..3).map(|_| Responder::start(options.clone())).collect();
    let answers = bus.request_many("t", &21, LONG).expect("results");
    let answers: Vec<u64> = answers.into_iter().map(|answer| number(answer.expect("an answer"))).collect();
    assert_eq!(answers, [42; 3]);
    let mut dies = Bus::open(options).expect("open");
    dies.respond("t").expect("respond");
    let leaves = std::thread::spawn(move || {
        dies.recv_timeout(LONG).expect("recv").expect("a request");
        dies.close();
    });
    let results = bus.request_many("t", "never", Duration::from_millis(500)).expect("results");
    let mut codes: Vec<_> = results.iter().filter_map(code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["ERR_NO_RESPONDERS", "ERR_TIMEOUT", "ERR_TIMEOUT", "ERR_TIMEOUT"]);
    leaves.join().expect("it left");
    drop(responders);
}

#[test]
fn users_cannot_name_the_topics_of_requests() {
    let mut bus = Bus::open(options()).expect("open");
    let name = "$slabcast/ask/t";
    assert!(matches!(bus.subscribe(name), Err(TopicError::Reserved)));
    assert!(matches!(bus.respond(name), Err(TopicError::Reserved)));
    assert!(!bus.unsubscribe(name));
    let refused = |result: Result<u64, PublishError>| result.expect_err("refused").code();
    assert_eq!(refused(bus.publish(name, &1)), "ERR_INVALID_TOPIC");
    assert_eq!(refused(bus.try_publish(name, &1)), "ERR_INVALID_TOPIC");
    assert_eq!(refused(bus.publish_raw(name, &[1])), "ERR_INVALID_TOPIC");
    assert!(bus.publish_many(name, [1]).is_err());
    assert_eq!(code(&bus.request(name, &1, LONG)), Some("ERR_INVALID_TOPIC"));
    assert!(!bus.stop_responding("t"));
    let message = {
        bus.subscribe("t").expect("subscribe");
        bus.publish("t", &1).expect("publish");
        bus.recv().expect("recv")
    };
    bus.reply(&message, &1).expect("no effect");
    assert_eq!(bus.stats().position, 1, "a message is no request");
    let _: Result<Option<Message>, RecvError> = bus.try_recv();
}

/// Two buses that respond to "t" in group "g", and one to ask from in another thread.
fn grouped(count: usize) -> (Options, Vec<Bus>) {
    let options = options();
    let members = (0..count).map(|_| {
        let mut bus = Bus::open(options.clone()).expect("open");
        bus.respond_group("t", "g").expect("joined");
        bus.respond_group("t", "g").expect("again: no effect");
        bus
    });
    let members = members.collect();
    (options, members)
}

fn asks<T: Send + 'static>(
    options: &Options,
    ask: impl FnOnce(&mut Bus) -> T + Send + 'static,
) -> JoinHandle<T> {
    let mut bus = Bus::open(options.clone()).expect("open");
    std::thread::spawn(move || ask(&mut bus))
}

#[test]
fn each_request_is_received_by_one_member_of_a_group_and_has_one_result_of_each_group() {
    let (options, mut members) = grouped(2);
    members[1].respond_group("t", "h").expect("joined");
    members[0].respond("t").expect("respond");
    members[1].subscribe_group("t", "g").expect("joined");
    let asker = asks(&options, |bus| {
        let one = bus.request("t", &1u64, LONG).map(number);
        let many = (0..20u64).map(|at| bus.request_many("t", &at, LONG).expect("results"));
        (one, many.collect::<Vec<_>>())
    });
    let mut received = [0; 3];
    while !asker.is_finished() {
        for bus in &mut members {
            while let Some(request) = bus.try_recv().expect("recv") {
                assert!(request.is_request() && request.topic() == "t");
                received[["g", "h"].iter().position(|group| request.group() == Some(group)).unwrap_or(2)] +=
                    1;
                let number: u64 = request.decode().expect("a number");
                bus.reply(&request, &(2 * number)).expect("reply");
            }
        }
    }
    let (one, many) = asker.join().expect("results");
    assert_eq!(one.expect("an answer"), 2);
    for (at, results) in (0u64..).zip(many) {
        let numbers: Vec<u64> =
            results.into_iter().map(|result| number(result.expect("an answer"))).collect();
        assert_eq!(numbers, [2 * at; 3]);
    }
    assert_eq!(received, [21; 3]);
    assert!(members[0].stop_responding_group("t", "g") && !members[0].stop_responding_group("t", "g"));
    assert!(!members[0].unsubscribe_group("t", "g"), "that is for messages");
    assert!(members[1].unsubscribe_group("t", "g"));
}

#[test]
fn who_took_a_request_from_a_group_and_leaves_is_told_of() {
    let (options, mut members) = grouped(2);
    let asker = asks(&options, |bus| bus.request_many("t", &1, NEVER).expect("results"));
    let mut taken = None;
    while taken.is_none() {
        taken = members.iter_mut().position(|bus| bus.try_recv().expect("recv").is_some());
    }
    members.remove(taken.expect("one")).close();
    let results = asker.join().expect("results");
    assert_eq!(results.iter().map(code).collect::<Vec<_>>(), [Some("ERR_NO_RESPONDERS")]);
    assert!(members[0].try_recv().expect("recv").is_none(), "it may have been done");
}

#[test]
fn what_a_member_that_leaves_has_not_taken_another_takes_and_of_the_last_one_it_is_told() {
    let (options, mut members) = grouped(2);
    let asker = asks(&options, |bus| bus.request("t", &1, NEVER).map(number));
    let mut watcher = Bus::open(options.clone()).expect("open");
    while watcher.stats().position < 1 {
        std::thread::yield_now();
    }
    members.remove(0).close();
    let request = members[0].recv_timeout(LONG).expect("recv").expect("a request");
    members[0].reply(&request, &7u64).expect("reply");
    assert_eq!(asker.join().expect("a result").expect("an answer"), 7);
    let position = watcher.stats().position;
    let asker = asks(&options, |bus| code(&bus.request("t", &1, LONG)).map(str::to_owned));
    while watcher.stats().position == position {
        std::thread::yield_now();
    }
    assert!(members[0].stop_responding_group("t", "g"));
    assert_eq!(asker.join().expect("a result").as_deref(), Some("ERR_NO_RESPONDERS"));
    assert_eq!(code(&watcher.request("t", &1, NEVER)), Some("ERR_NO_RESPONDERS"), "at once");
}

#[test]
fn a_group_that_the_one_who_asks_is_alone_in_does_not_respond() {
    let (options, mut members) = grouped(1);
    assert_eq!(code(&members[0].request("t", &1, NEVER)), Some("ERR_NO_RESPONDERS"));
    let mut other = Bus::open(options).expect("open");
    other.respond_group("t", "g").expect("joined");
    let mut asker = members.remove(0);
    let asking = std::thread::spawn(move || {
        let result = asker.request("t", &1, NEVER);
        (code(&result).map(str::to_owned), asker)
    });
    // It was asked, and leaves without having taken it: who asked is left, and waits.
    while other.stats().position == 0 {
        std::thread::yield_now();
    }
    other.close();
    let (told, mut asker) = asking.join().expect("a result");
    assert_eq!(told.as_deref(), Some("ERR_NO_RESPONDERS"));
    assert!(asker.try_recv().expect("recv").is_none(), "its own it does not answer");
}

#[test]
fn a_request_waits_for_room_and_is_put_to_those_who_are_there_then() {
    let options = Options { size: 64 << 10, stall_timeout: None, ..options() };
    let [mut holder, mut ceases, mut comes] = [(); 3].map(|()| Bus::open(options.clone()).expect("open"));
    holder.subscribe("noise").expect("subscribe");
    ceases.respond("t").expect("respond");
    while holder.try_publish("noise", &[1u64; 100][..]).is_ok() {
        let _ = ceases.try_recv().expect("recv");
    }
    let asker = asks(&options, |bus| bus.request_many("t", &[1u64; 100][..], LONG).expect("results").len());
    // It finds the slab full, again and again.
    while holder.members().len() < 4 {
        std::thread::yield_now();
    }
    comes.respond_group("t", "g").expect("joined");
    ceases.stop_responding("t");
    while holder.try_recv().expect("recv").is_some() {}
    let request = comes.recv_timeout(LONG).expect("recv").expect("a request");
    comes.reply(&request, &1).expect("reply");
    assert_eq!(asker.join().expect("a result"), 1);
}
