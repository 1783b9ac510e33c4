//! What one receives: to keep, or on loan.

use super::reader::Head;
use crate::error::DecodeError;
use crate::layout::FLAG_RAW;
use serde::de::{Deserialize, DeserializeOwned};
use std::sync::Arc;

/// Beside a frame's own flags, in a copy alone: it was handed out before.
pub(super) const REDELIVERED: u16 = 1 << 15;

/// A message as it was published, with where it stands.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) head: Head,
    pub(super) topic: Arc<str>,
    pub(super) pattern: Option<Arc<str>>,
    pub(super) group: Option<Arc<str>>,
    pub(super) body: Vec<u8>,
    pub(super) request: Option<Request>,
}

/// Who asked, and the number it gave its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub member: u32,
    pub id: u32,
    /// Of the group it was taken from.
    pub row: Option<u32>,
}

/// A message on loan, from [`Bus::recv_ref`](crate::Bus::recv_ref) and its like: it tells what [`Message`] does, and its
/// bytes lie in a buffer of the [`Bus`](crate::Bus) that the next call may fill anew.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    pub(super) head: &'a Head,
    pub(super) topic: &'a Arc<str>,
    pub(super) pattern: Option<&'a Arc<str>>,
    pub(super) group: Option<&'a Arc<str>>,
    pub(super) body: &'a [u8],
    pub(super) request: Option<Request>,
}

impl Message {
    /// Decodes the body, which is MessagePack unless [`is_raw`](Self::is_raw).
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.lend().decode()
    }
    /// The body as it lay in the slab.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }
    /// The topic it was published to.
    pub fn topic(&self) -> &str {
        &self.topic
    }
    /// The pattern it was received by; `None`: its topic was subscribed to.
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }
    /// The group it was taken from; `None`: it is of this bus' own subscription.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }
    fn lend(&self) -> MessageRef<'_> {
        MessageRef {
            head: &self.head,
            topic: &self.topic,
            pattern: self.pattern.as_ref(),
            group: self.group.as_ref(),
            body: &self.body,
            request: self.request,
        }
    }
}

impl<'a> MessageRef<'a> {
    /// Decodes the body, which is MessagePack unless [`is_raw`](Self::is_raw). What is decoded may borrow from it, as a
    /// `&str` does.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T, DecodeError> {
        Ok(rmp_serde::from_slice(self.body)?)
    }
    /// The body as it lay in the slab.
    pub fn bytes(&self) -> &'a [u8] {
        self.body
    }
    /// The topic it was published to.
    pub fn topic(&self) -> &'a str {
        self.topic
    }
    /// The pattern it was received by; `None`: its topic was subscribed to.
    pub fn pattern(&self) -> Option<&'a str> {
        self.pattern.map(|pattern| &**pattern)
    }
    /// The group it was taken from; `None`: it is of this bus' own subscription.
    pub fn group(&self) -> Option<&'a str> {
        self.group.map(|group| &**group)
    }
    /// A copy to keep.
    pub fn to_message(&self) -> Message {
        Message {
            head: *self.head,
            topic: self.topic.clone(),
            pattern: self.pattern.cloned(),
            group: self.group.cloned(),
            body: self.body.to_vec(),
            request: self.request,
        }
    }
}

/// What both tell of themselves.
macro_rules! tells_its_head {
    ($($message:ty),*) => {$(impl $message {
        /// Whether it was published as bytes, not as a value.
        pub fn is_raw(&self) -> bool {
            self.head.flags & FLAG_RAW != 0
        }
        /// Whether it waits for an answer: [`Bus::reply`](crate::Bus::reply).
        pub fn is_request(&self) -> bool {
            self.request.is_some()
        }
        /// Its number in the topic, from 1, without holes.
        pub fn sequence(&self) -> u64 {
            self.head.sequence
        }
        /// Its place in the one order of all messages of the bus.
        pub fn position(&self) -> u64 {
            self.head.position
        }
        /// The member that published it, a number unique in the life of the bus.
        pub fn publisher(&self) -> u32 {
            self.head.member
        }
        /// The process that published it.
        pub fn publisher_pid(&self) -> u32 {
            self.head.pid
        }
        /// Whether a durable subscription was handed it before and did not say that it had handled it.
        pub fn is_redelivered(&self) -> bool {
            self.head.flags & REDELIVERED != 0
        }
        /// When it was published, in ms since 1970.
        pub fn timestamp(&self) -> u64 {
            self.head.time_ms
        }
    })*};
}
tells_its_head!(Message, MessageRef<'_>);
