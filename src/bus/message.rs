//! What one receives.

use crate::error::DecodeError;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A message as it was published, with where it stands.
#[derive(Clone, Debug)]
pub struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) sequence: u64,
    pub(crate) position: u64,
    pub(crate) member: u32,
    pub(crate) pid: u32,
    pub(crate) time_ms: u64,
    pub(crate) raw: bool,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Decodes the body, which is MessagePack unless [`is_raw`](Self::is_raw).
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        Ok(rmp_serde::from_slice(&self.body)?)
    }
    /// The body as it lay in the slab.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }
    /// Whether it was published as bytes, not as a value.
    pub fn is_raw(&self) -> bool {
        self.raw
    }
    /// The topic it was published to.
    pub fn topic(&self) -> &str {
        &self.topic
    }
    /// Its number in the topic, from 1, without holes.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    /// Its place in the one order of all messages of the bus.
    pub fn position(&self) -> u64 {
        self.position
    }
    /// The member that published it, a number unique in the life of the bus.
    pub fn publisher(&self) -> u32 {
        self.member
    }
    /// The process that published it.
    pub fn publisher_pid(&self) -> u32 {
        self.pid
    }
    /// When it was published, in ms since 1970.
    pub fn timestamp(&self) -> u64 {
        self.time_ms
    }
}
