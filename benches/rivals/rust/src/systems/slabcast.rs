//! slabcast by its public API, bodies as bytes. They are copied out of the slab, many at once, and lent from there.

use super::{Line, Trial};
use ::slabcast::{Bus, Options};

pub struct Slabcast<const SLEEPS: bool> {
    bus: Bus,
    topic: String,
}

impl<const SLEEPS: bool> Line for Slabcast<SLEEPS> {
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
        let message = if SLEEPS {
            Some(self.bus.recv_ref().expect("recv"))
        } else {
            self.bus.try_recv_ref().expect("try_recv")
        };
        if let Some(message) = &message {
            each(message.bytes());
        }
        message.is_some()
    }
}
