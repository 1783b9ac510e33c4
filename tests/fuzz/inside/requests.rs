//! Envelopes of requests and answers, with whatever in them, at those who ask and those who respond.

use super::Input;
use crate::bus::inside::{Attachment, ask_topic, reply_topic};
use crate::{Bus, Options, RequestError};
use std::iter::once;
use std::time::Duration;

/// What one thread may announce, as docs/format.md says, of the two that are asked.
const MOST: usize = 2 * 0xffff + 64;

/// Who asks, who responds, and one that responds as well and sends whatever the input says.
struct Three {
    asks: Bus,
    responds: Bus,
    sends: Attachment,
    /// Requests so far: each has the next number.
    asked: u32,
}

thread_local! {
    static THREE: std::cell::RefCell<Option<Three>> = const { std::cell::RefCell::new(None) };
}

pub fn run(data: &[u8]) {
    THREE.with(|three| {
        let mut three = three.borrow_mut();
        three.get_or_insert_with(Three::new).one(&mut Input(data));
    });
}

impl Three {
    fn new() -> Three {
        let mut options = Options::new(format!("fuzz-requests-{}", std::process::id()));
        options.size = 1 << 20;
        let open = || Bus::open(options.clone()).expect("a bus");
        let (asks, mut responds) = (open(), open());
        responds.respond("t").expect("responds");
        let mut sends = Attachment::open(&options).expect("a bus");
        sends.subscribe(&ask_topic("t")).expect("subscribed");
        Three { asks, responds, sends, asked: 0 }
    }

    fn one(&mut self, input: &mut Input<'_>) {
        let is_first = self.asked == 0;
        let answers = (0..input.below(4)).map(|_| self.envelope(input)).collect::<Vec<_>>();
        let to = reply_topic(self.asks.member());
        if !is_first {
            for answer in answers {
                self.send(&to, &answer);
            }
        }
        let asks_all = input.u8().is_multiple_of(2);
        self.asked = self.asked.wrapping_add(1).max(1);
        if asks_all {
            let results = self.asks.request_many("t", &1, Duration::ZERO).expect("asked");
            assert!(results.len() <= MOST, "{} results", results.len());
        } else {
            let result = self.asks.request("t", &1, Duration::ZERO);
            let is_one = matches!(
                result,
                Ok(_)
                    | Err(RequestError::TimedOut { .. }
                        | RequestError::NoResponders { .. }
                        | RequestError::Handler(_))
            );
            assert!(is_one, "{result:?}");
        }
        let request = input.0.to_vec();
        self.send(&ask_topic("t"), &request);
        while let Some(message) = self.responds.try_recv().expect("received") {
            if message.is_request() {
                let _ = message.decode::<u32>();
                let _ = self.responds.reply(&message, &2);
            }
        }
        let _ = self.sends.drain(1024, &mut super::bus::Anything);
    }

    /// An answer to the request that comes next, or to another: its number, what it is, and the value.
    fn envelope(&self, input: &mut Input<'_>) -> Vec<u8> {
        let id = self.asked.wrapping_add(1).max(1).wrapping_add(u32::from(input.below(4) == 3));
        let mut bytes = vec![0x93, 0xce];
        bytes.extend(id.to_be_bytes());
        bytes.push(input.u8() % 4);
        let len = input.below(24);
        bytes.extend((0..len).map(|_| input.u8()));
        if input.below(8) == 7 {
            bytes.truncate(input.below(8));
        }
        bytes
    }

    fn send(&mut self, topic: &str, bytes: &[u8]) {
        if let Ok(topic) = self.sends.topic(topic, Duration::ZERO) {
            let _ = self.sends.publish_all(topic, 0, once(bytes));
        }
    }
}
