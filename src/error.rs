//! One error enum per verb. Each error has a stable code, the same a JavaScript user sees, and its facts as fields.

use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

const SPLIT: &str = "the files of this bus were removed and another bus of its name was made, so that there are two: \
                     end the processes of one of them";
/// Where shared memory lies, and how to make more of it.
const WHERE: &str = if cfg!(windows) { "on the disk of %LOCALAPPDATA%" } else { "in /dev/shm" };
const HOW: &str = if cfg!(windows) { "" } else { " (Docker: --shm-size)" };
const FORKED: &str = "this process was forked from one that has the bus open: open it anew";

/// The user a file belongs to, as the system names users.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// By a number.
    Uid(u32),
    /// On Windows: by a security identifier, like `S-1-5-32-544`.
    Sid(String),
}

impl From<u32> for Owner {
    fn from(uid: u32) -> Owner {
        Owner::Uid(uid)
    }
}
impl From<String> for Owner {
    fn from(sid: String) -> Owner {
        Owner::Sid(sid)
    }
}

/// Why a bus could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name, or a size, is outside its limits.
    #[error("the option `{option}` must be {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it may be.
        expected: String,
    },
    /// The memory file system has too little room.
    #[error(
        "{needed} bytes of shared memory are needed and {available} are free {WHERE}: choose a smaller `size`, or \
         give it more room{HOW}"
    )]
    NoSpace {
        /// Bytes the bus wanted to reserve.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// Files of this name belong to somebody else, or are open to more people than asked for.
    #[error("{reason}: choose another name, or remove it")]
    Access {
        /// What stands there, whose it is, and what was expected.
        reason: String,
        /// Whose it is.
        owner: Owner,
    },
    /// Living processes use another version of the segment.
    #[error(
        "the bus is in use by processes with layout version {found}, this slabcast has {expected}: bring them to the \
         same version, or choose another name"
    )]
    LayoutVersion {
        /// Of the living segment.
        found: u32,
        /// Of this crate.
        expected: u32,
    },
    /// The segment is not what slabcast writes.
    #[error("the segment is corrupt ({0}): end every process of this bus and start anew")]
    Corrupt(String),
    /// As many threads are attached as the bus was made for.
    #[error("{capacity} threads are attached, as many as the bus was opened for (option `members`)")]
    TooManyMembers {
        /// The option `members` of the bus' creator.
        capacity: u32,
    },
    /// Another process held the registry lock all the time; it is probably stopped.
    #[error(
        "the registry of the bus was locked by another process for {0:?}: is one of its processes stopped?"
    )]
    Busy(Duration),
    /// Its files were removed under its living members, and nobody can come to its memory any more.
    #[error(
        "the bus is in use{}, but its files were removed, so that nobody can join it: end its processes, or choose \
         another name",
        .pid.map_or(String::new(), |pid| format!(" by process {pid}"))
    )]
    InUse {
        /// One of its processes, if it can be told.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("{what}: {error}")]
    Os {
        /// What was asked of it.
        what: String,
        /// Its answer.
        error: std::io::Error,
    },
}

impl OpenError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            OpenError::Option { .. } => "ERR_OUT_OF_RANGE",
            OpenError::NoSpace { .. } => "ERR_NO_SPACE",
            OpenError::Access { .. } => "ERR_ACCESS",
            OpenError::LayoutVersion { .. } => "ERR_LAYOUT_VERSION",
            OpenError::Corrupt(_) => "ERR_CORRUPT",
            OpenError::TooManyMembers { .. } => "ERR_TOO_MANY_MEMBERS",
            OpenError::Busy(_) => "ERR_TIMEOUT",
            OpenError::InUse { .. } => "ERR_IN_USE",
            OpenError::Os { .. } => "ERR_SYSTEM",
        }
    }
}

/// Why a topic could not be found or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Not 1 to 255 bytes of UTF-8 without NUL.
    #[error("a topic is 1 to 255 bytes of UTF-8 without NUL; this one has {len} bytes")]
    Invalid {
        /// Its length in bytes.
        len: usize,
    },
    /// Not 1 to 1,024 bytes of UTF-8 without NUL.
    #[error("a pattern is 1 to 1,024 bytes of UTF-8 without NUL; this one has {len} bytes")]
    InvalidPattern {
        /// Its length in bytes.
        len: usize,
    },
    /// It begins with `$slabcast/`.
    #[error("a topic that begins with $slabcast/ is of requests, replies or faces: users cannot name it")]
    Reserved,
    /// Every entry of the table has subscribers, or messages this bus has matched by a pattern and not received yet.
    #[error("all {capacity} topics of the bus have subscribers (option `topics`)")]
    TooMany {
        /// The option `topics` of the bus' creator.
        capacity: u32,
    },
    /// Not 1 to 255 bytes of UTF-8 without NUL.
    #[error("a group's name is 1 to 255 bytes of UTF-8 without NUL; this one has {len} bytes")]
    InvalidGroup {
        /// Its length in bytes.
        len: usize,
    },
    /// There are as many groups on the bus as there may be.
    #[error("the bus has {capacity} groups, of all its topics together: more there cannot be")]
    TooManyGroups {
        /// How many there may be.
        capacity: u32,
    },
    /// The memory file system has too little room for another topic.
    #[error("{needed} bytes of shared memory are needed for more topics and {available} are free{HOW}")]
    NoSpace {
        /// Bytes wanted.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The registry lock is held, or an entry is still in use by a publisher in flight: try again.
    #[error(
        "the registry of the bus was locked by another process for {0:?}: is one of its processes stopped?"
    )]
    Busy(Duration),
    /// The segment is not what slabcast writes.
    #[error("the segment is corrupt: end every process of this bus and start anew")]
    Corrupt,
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
    /// Its files were removed, and then another bus of its name was made.
    #[error("{SPLIT}")]
    Split,
    /// This process was forked, without an exec, from one that has the bus open.
    #[error("{FORKED}")]
    Forked,
    /// The system refused.
    #[error("{what}: {error}")]
    Os {
        /// What was asked of it.
        what: String,
        /// Its answer.
        error: std::io::Error,
    },
}

impl TopicError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            TopicError::Invalid { .. } | TopicError::Reserved => "ERR_INVALID_TOPIC",
            TopicError::InvalidPattern { .. } | TopicError::InvalidGroup { .. } => "ERR_INVALID_ARG_VALUE",
            TopicError::TooMany { .. } | TopicError::TooManyGroups { .. } => "ERR_TOO_MANY_TOPICS",
            TopicError::NoSpace { .. } => "ERR_NO_SPACE",
            TopicError::Busy(_) => "ERR_TIMEOUT",
            TopicError::Corrupt => "ERR_CORRUPT",
            TopicError::Closed | TopicError::Forked => "ERR_CLOSED",
            TopicError::Split => "ERR_IN_USE",
            TopicError::Os { .. } => "ERR_SYSTEM",
        }
    }
}

/// Why a subscription with options could not begin. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The topic cannot be had.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// An option is outside its limits, or does not go with another.
    #[error("the option `{option}` must be {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A durable subscription of this topic and name is held by a living member, or by this one.
    #[error(
        "the durable subscription is in use by member {member} (process {pid}): end that first, or choose another name"
    )]
    InUse {
        /// The number of the member that holds it.
        member: u32,
        /// Its process.
        pid: u32,
    },
    /// There are as many durable subscriptions as topics may be.
    #[error(
        "the bus keeps {capacity} durable subscriptions, and no more (option `topics`): unsubscribe those nobody needs"
    )]
    TooMany {
        /// The option `topics` of the bus' creator.
        capacity: u32,
    },
    /// A bus has one subscription to a topic.
    #[error("this bus is subscribed to the topic already: unsubscribe first")]
    Subscribed,
}

impl SubscribeError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            SubscribeError::Topic(error) => error.code(),
            SubscribeError::Option { .. } => "ERR_INVALID_ARG_VALUE",
            SubscribeError::Subscribed | SubscribeError::InUse { .. } => "ERR_IN_USE",
            SubscribeError::TooMany { .. } => "ERR_TOO_MANY_TOPICS",
        }
    }
}

/// Why a message was not published. Nothing of it is in the bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic cannot be had.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// It is larger than the bus takes.
    #[error("the message has {needed} bytes, the bus takes {available} (option `max_message`)")]
    TooLarge {
        /// Its encoded length.
        needed: u64,
        /// The option `max_message` of the bus' creator.
        available: u64,
    },
    /// There is no room before a reader reads on (`try_publish` only).
    #[error("the slab is full until a reader reads on")]
    Full,
    /// This bus' own unread messages fill the slab and its inbox: receive before you publish more.
    #[error("this bus has {bytes} bytes of its own to receive first: call recv() before publishing more")]
    InboxFull {
        /// Bytes received and not yet taken.
        bytes: usize,
    },
    /// serde refused the value.
    #[error("the message cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

impl PublishError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            PublishError::Topic(error) => error.code(),
            PublishError::TooLarge { .. } => "ERR_MESSAGE_TOO_LARGE",
            PublishError::Full => "ERR_FULL",
            PublishError::InboxFull { .. } => "ERR_OUTBOX_FULL",
            PublishError::Encode(_) => "ERR_NOT_SERIALIZABLE",
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No other thread responds to the topic, or those that were asked died or left before they answered.
    #[error("nobody responds to {topic:?}, or is left to")]
    NoResponders {
        /// The topic.
        topic: String,
    },
    /// No answer came in time.
    #[error("nobody answered to a request of {topic:?} within {timeout:?}")]
    TimedOut {
        /// The topic.
        topic: String,
        /// How long it was waited.
        timeout: Duration,
    },
    /// This thread did not read for longer than the others' `stall_timeout` and was cut off, and of the answers to it so many were
    /// overwritten meanwhile: perhaps the one to this.
    #[error(
        "{lost} answers were overwritten while this thread did not read, perhaps one to a request of {topic:?}"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// How many answers, to whatever this thread has asked.
        lost: u64,
    },
    /// Who was asked answered with an error.
    #[error(transparent)]
    Handler(#[from] HandlerError),
    /// It could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What others publish could not be received meanwhile.
    #[error(transparent)]
    Receive(#[from] RecvError),
}

impl RequestError {
    /// The stable code; of a handler's error its own, if it has one.
    pub fn code(&self) -> Option<&str> {
        match self {
            RequestError::NoResponders { .. } => Some("ERR_NO_RESPONDERS"),
            RequestError::TimedOut { .. } | RequestError::Lost { .. } => Some("ERR_TIMEOUT"),
            RequestError::Handler(error) => error.code.as_deref(),
            RequestError::Publish(error) => Some(error.code()),
            RequestError::Receive(error) => Some(error.code()),
        }
    }
}

impl From<TopicError> for RequestError {
    fn from(error: TopicError) -> Self {
        RequestError::Publish(error.into())
    }
}

/// An error in the place of an answer, as it travels between processes and languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{name}: {message}")]
#[non_exhaustive]
pub struct HandlerError {
    /// Its kind, like `RangeError`.
    pub name: String,
    /// What it says.
    pub message: String,
    /// Its code, like `ENOENT`; numbers in decimal digits.
    #[serde(default, deserialize_with = "code", skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where it was thrown, in JavaScript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl HandlerError {
    /// An error that says this, of the kind `Error` and without a code.
    pub fn new(message: impl Into<String>) -> HandlerError {
        HandlerError { name: "Error".into(), message: message.into(), code: None, stack: None }
    }
}

/// A code of JavaScript's: a string or a number.
fn code<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Code {
        Text(String),
        Number(f64),
    }
    Ok(Some(match Code::deserialize(from)? {
        Code::Text(text) => text,
        Code::Number(number) => number.to_string(),
    }))
}

/// Why nothing was received, other than that there is nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Messages were missed: this bus was too slow and was cut off so that the others could go on, or what it asked for of a
    /// topic's past is gone. What follows goes on after them.
    #[error("messages were missed: {}", told(.0))]
    Gap(Vec<Gap>),
    /// The segment is not what slabcast writes.
    #[error("the segment is corrupt: end every process of this bus and start anew")]
    Corrupt,
    /// Its files were removed, and then another bus of its name was made: told once, what follows is of this one.
    #[error("{SPLIT}")]
    Split,
    /// Its files were removed and cannot be put back, so that nobody can open it: told once, the members go on.
    #[error("the files of the bus were removed and cannot be put back: {0}")]
    Files(String),
    /// This process was forked, without an exec, from one that has the bus open.
    #[error("{FORKED}")]
    Forked,
}

impl RecvError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            RecvError::Gap(_) => "ERR_GAP",
            RecvError::Corrupt => "ERR_CORRUPT",
            RecvError::Split => "ERR_IN_USE",
            RecvError::Files(_) => "ERR_SYSTEM",
            RecvError::Forked => "ERR_CLOSED",
        }
    }
}

fn told(gaps: &[Gap]) -> String {
    let one = |gap: &Gap| {
        format!("{} of {:?} ({} to {}, {})", gap.lost(), gap.topic, gap.from, gap.to, gap.reason.name())
    };
    gaps.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Messages of one topic that were missed: sequences `from` to `to`, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The topic's name.
    pub topic: String,
    /// The group whose members missed them, all together. `None`: this bus' own subscription.
    pub group: Option<String>,
    /// The first missed.
    pub from: u64,
    /// The last missed.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why messages were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// This thread did not read while others needed the room.
    Stalled,
    /// They were asked for and are overwritten by newer ones.
    Overwritten,
    /// They were asked for; a full table has made the bus forget the topic since, and number it anew.
    Forgotten,
}

impl GapReason {
    /// As JavaScript tells it.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Stalled => "stalled",
            GapReason::Overwritten => "overwritten",
            GapReason::Forgotten => "forgotten",
        }
    }
}

impl Gap {
    /// How many messages were missed.
    pub fn lost(&self) -> u64 {
        self.to - self.from + 1
    }
}

/// Why the bytes of a message are not the value asked for.
#[derive(Debug, thiserror::Error)]
#[error("the message is not of the type asked for: {0}")]
pub struct DecodeError(#[from] pub rmp_serde::decode::Error);
