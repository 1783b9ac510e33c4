//! slabcast by its public API, bodies as bytes. They are copied out of the slab, many at once, and lent from there, or handed out
//! to keep, each in an allocation of its own.

use super::{Line, Trial};
use ::slabcast::{Bus, Options};

/// How a reader asks for the next message.
pub const POLLS: u8 = 0;
pub const POLLS_TO_KEEP: u8 = 1;
pub const SLEEPS: u8 = 2;

pub struct Slabcast<const HOW: u8> {
    bus: Bus,
    topic: String,
}

impl<const HOW: u8> Line for Slabcast<HOW> {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        let options = Options { size: trial.window as u64, ..Options::new(&*trial.name) };
        let mut bus = Bus::open(options).expect("open");
        if let Some(topic) = reads {
            bus.subscribe(topic).expect("subscribe");
        }
        Slabcast { bus, topic: sends.unwrap_or_default().to_owned() }
    }

    #[inline]
    fn send(&mut self, body: &[u8]) {
        self.bus.publish_raw(&self.topic, body).expect("publish");
    }

    #[inline]
    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let message = match HOW {
            POLLS_TO_KEEP => {
                let kept = self.bus.try_recv().expect("try_recv");
                if let Some(message) = &kept {
                    each(message.bytes());
                }
                return kept.is_some();
            }
            SLEEPS => Some(self.bus.recv_ref().expect("recv")),
            _ => self.bus.try_recv_ref().expect("try_recv"),
        };
        if let Some(message) = &message {
            each(message.bytes());
        }
        message.is_some()
    }
}
