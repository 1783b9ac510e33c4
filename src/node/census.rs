//! Who and what is on a bus, on its way to JavaScript.

use crate::bus::{MemberInfo, News, TopicInfo};
use napi_derive::napi;

#[napi(object, use_nullable = true)]
pub struct TopicInfoWords {
    pub topic: String,
    pub sequence: f64,
    pub subscribers: u32,
    pub last_publish: Option<f64>,
}

#[napi(object)]
pub struct MemberWords {
    pub member: u32,
    pub pid: u32,
    pub thread: u32,
    pub lag: f64,
}

/// One event: its name and its facts.
#[napi(object)]
pub struct NewsWords {
    pub event: String,
    pub member: Option<u32>,
    pub pid: Option<u32>,
    pub thread: Option<u32>,
    pub topic: Option<String>,
    pub active: Option<bool>,
}

impl From<TopicInfo> for TopicInfoWords {
    fn from(info: TopicInfo) -> Self {
        TopicInfoWords {
            topic: info.topic,
            sequence: info.sequence as f64,
            subscribers: info.subscribers,
            last_publish: info.last_publish.map(|time_ms| time_ms as f64),
        }
    }
}

impl From<MemberInfo> for MemberWords {
    fn from(info: MemberInfo) -> Self {
        MemberWords { member: info.member, pid: info.pid, thread: info.thread, lag: info.lag as f64 }
    }
}

impl From<News> for NewsWords {
    fn from(news: News) -> Self {
        let of_member = |event: &str, member, pid, thread| NewsWords {
            event: event.into(),
            member: Some(member),
            pid: Some(pid),
            thread: Some(thread),
            topic: None,
            active: None,
        };
        match news {
            News::Joined { member, pid, thread } => of_member("join", member, pid, thread),
            News::Left { member, pid, thread } => of_member("leave", member, pid, thread),
            News::Interest { topic, active } => NewsWords {
                event: "interest".into(),
                member: None,
                pid: None,
                thread: None,
                topic: Some(topic),
                active: Some(active),
            },
        }
    }
}
