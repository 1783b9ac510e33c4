//! An error on its way to JavaScript, which makes a SlabcastError of it: code, sentence, and the facts as fields.

use crate::error::{OpenError, Owner, SubscribeError, TopicError};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

#[napi(object)]
#[derive(Default)]
pub struct Failure {
    pub code: String,
    pub message: String,
    /// For ERR_OUT_OF_RANGE: the option and what it may be.
    pub option: Option<String>,
    pub expected: Option<String>,
    pub needed: Option<f64>,
    pub available: Option<f64>,
    /// The user's number; on Windows its security identifier.
    pub owner: Option<Either<u32, String>>,
    pub found_version: Option<u32>,
    pub own_version: Option<u32>,
    pub capacity: Option<u32>,
    /// A member that holds what was asked for.
    pub member: Option<u32>,
    /// A process that uses the bus, or holds what was asked for.
    pub pid: Option<u32>,
    /// Of ERR_SYSTEM: the system's own number.
    pub errno: Option<i32>,
}

impl Failure {
    pub fn system(message: String) -> Box<Failure> {
        Box::new(Failure { code: "ERR_SYSTEM".into(), message, ..Failure::default() })
    }
}

impl From<OpenError> for Box<Failure> {
    fn from(error: OpenError) -> Self {
        let failure = Failure { code: error.code().into(), message: error.to_string(), ..Failure::default() };
        Box::new(match error {
            OpenError::Option { option, expected } => {
                Failure { option: Some(option.into()), expected: Some(expected), ..failure }
            }
            OpenError::NoSpace { needed, available } => {
                Failure { needed: Some(needed as f64), available: Some(available as f64), ..failure }
            }
            OpenError::Access { owner, .. } => {
                let owner = match owner {
                    Owner::Uid(uid) => Either::A(uid),
                    Owner::Sid(sid) => Either::B(sid),
                };
                Failure { owner: Some(owner), ..failure }
            }
            OpenError::LayoutVersion { found, expected } => {
                Failure { found_version: Some(found), own_version: Some(expected), ..failure }
            }
            OpenError::TooManyMembers { capacity } => Failure { capacity: Some(capacity), ..failure },
            OpenError::InUse { pid } => Failure { pid, ..failure },
            OpenError::Os { error, .. } => Failure { errno: error.raw_os_error(), ..failure },
            OpenError::Corrupt(_) | OpenError::Busy(_) => failure,
        })
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        let failure = Failure { code: error.code().into(), message: error.to_string(), ..Failure::default() };
        match error {
            SubscribeError::Topic(error) => error.into(),
            SubscribeError::InUse { member, pid } => {
                Failure { member: Some(member), pid: Some(pid), ..failure }
            }
            SubscribeError::TooMany { capacity } => Failure { capacity: Some(capacity), ..failure },
            SubscribeError::Option { .. } | SubscribeError::Subscribed => failure,
        }
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        let failure = Failure { code: error.code().into(), message: error.to_string(), ..Failure::default() };
        match error {
            TopicError::NoSpace { needed, available } => {
                Failure { needed: Some(needed as f64), available: Some(available as f64), ..failure }
            }
            TopicError::TooMany { capacity } | TopicError::TooManyGroups { capacity } => {
                Failure { capacity: Some(capacity), ..failure }
            }
            TopicError::Os { error, .. } => Failure { errno: error.raw_os_error(), ..failure },
            _ => failure,
        }
    }
}
