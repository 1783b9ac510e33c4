//! `stats()` on its way to JavaScript, in the shape users see; the outbox is added there.

use crate::bus::{Held, HeldBy, Stats, Traffic};
use napi_derive::napi;

#[napi(object, use_nullable = true)]
pub struct StatsWords {
    pub member: u32,
    pub pid: u32,
    pub thread: u32,
    pub members: MembersWords,
    pub topics: TopicsWords,
    pub position: f64,
    pub slab: SlabWords,
    pub held: Option<HeldWords>,
    pub published: TrafficWords,
    pub delivered: TrafficWords,
    pub posts: f64,
    pub wakes: f64,
    pub gaps: f64,
    pub lost: f64,
    pub cut_offs: f64,
    pub reaped: f64,
}

#[napi(object)]
pub struct MembersWords {
    pub attached: u32,
    pub reading: u32,
    pub capacity: u32,
}

#[napi(object)]
pub struct TopicsWords {
    pub made: u32,
    pub capacity: u32,
}

#[napi(object)]
pub struct SlabWords {
    pub size: f64,
    pub used: f64,
}

#[napi(object)]
pub struct HeldWords {
    pub member: u32,
    pub pid: u32,
    pub thread: u32,
    pub by: String,
    pub bytes: f64,
    pub since: f64,
}

#[napi(object)]
pub struct TrafficWords {
    pub messages: f64,
    pub bytes: f64,
}

impl From<Stats> for StatsWords {
    fn from(stats: Stats) -> Self {
        StatsWords {
            member: stats.member,
            pid: stats.pid,
            thread: stats.thread,
            members: MembersWords {
                attached: stats.members_attached,
                reading: stats.members_reading,
                capacity: stats.members_capacity,
            },
            topics: TopicsWords { made: stats.topics_made, capacity: stats.topics_capacity },
            position: stats.position as f64,
            slab: SlabWords { size: stats.slab_bytes as f64, used: stats.slab_used as f64 },
            held: stats.held.map(HeldWords::from),
            published: stats.published.into(),
            delivered: stats.delivered.into(),
            posts: stats.posts as f64,
            wakes: stats.wakes as f64,
            gaps: stats.gaps as f64,
            lost: stats.lost as f64,
            cut_offs: stats.cut_offs as f64,
            reaped: stats.reaped as f64,
        }
    }
}

impl From<Held> for HeldWords {
    fn from(held: Held) -> Self {
        let by = match held.by {
            HeldBy::Reader => "reader",
            HeldBy::Writer => "writer",
        };
        HeldWords {
            member: held.member,
            pid: held.pid,
            thread: held.thread,
            by: by.into(),
            bytes: held.bytes as f64,
            since: held.since as f64,
        }
    }
}

impl From<Traffic> for TrafficWords {
    fn from(traffic: Traffic) -> Self {
        TrafficWords { messages: traffic.messages as f64, bytes: traffic.bytes as f64 }
    }
}
