//! The ways to read but by a topic's name: patterns, groups, a topic's past, bookmarks. As one member of the bus target does.

use super::bus::Anything;
use super::{Input, segment::NAMES};
use crate::bus::Drained;
use crate::bus::inside::{Attachment, GroupRef, History, Mark, Past, Turn};
use crate::error::SubscribeError;
use crate::layout::Corrupt;
use crate::{TopicError, bus::inside::Glob};

const PATTERNS: [&str; 6] = ["*", "?", "[a-f]", "[^a-f]", "\\a", "a*b"];
const GROUPS: [&str; 3] = ["g", "h", ""];

#[derive(Default)]
pub(super) struct Readings {
    patterns: Vec<u32>,
    groups: Vec<GroupRef>,
    marks: Vec<Mark>,
}

impl Readings {
    /// One operation. `is_honest`: nobody has written what no member writes.
    pub fn one(
        &mut self,
        member: &mut Attachment,
        name: usize,
        is_honest: bool,
        input: &mut Input<'_>,
    ) -> Result<(), Corrupt> {
        match input.below(10) {
            0 => {
                let pattern = PATTERNS[input.below(PATTERNS.len())];
                self.patterns.extend(known(member.psubscribe(pattern))?.map(|live| live.id));
            }
            1 if !self.patterns.is_empty() => {
                let at = input.below(self.patterns.len());
                member.punsubscribe(self.patterns.swap_remove(at));
            }
            2 => {
                let group = GROUPS[input.below(GROUPS.len())];
                let is_in = |held: &GroupRef| {
                    *held.name == *group && member.topic_name(held.topic.id).as_deref() == Some(NAMES[name])
                };
                if !self.groups.iter().any(is_in) {
                    self.groups.extend(known(member.join_group(NAMES[name], group))?);
                }
            }
            3 if !self.groups.is_empty() => {
                let at = input.below(self.groups.len());
                member.leave_group(self.groups.swap_remove(at).row);
            }
            4 => self.work(member)?,
            5 => {
                let past = if input.u8().is_multiple_of(2) {
                    Past::Last(input.u8() as u64)
                } else {
                    Past::After(if is_honest { input.u8() as u64 } else { input.u64() })
                };
                if let Some((live, found)) = known(member.subscribe_from(NAMES[name], past))? {
                    if is_honest {
                        check(&found, live.from);
                    }
                    member.note_lost(live.topic, &found, live.from);
                    member.unsubscribe(live.topic);
                }
            }
            6 => match member.subscribe_durable(NAMES[name], GROUPS[input.below(2)]) {
                Ok(begun) => {
                    if is_honest {
                        check(&begun.found, begun.live.from);
                    }
                    self.marks.push(begun.mark);
                }
                Err(SubscribeError::Topic(TopicError::Corrupt)) => return Err(Corrupt),
                Err(_) => {}
            },
            7 | 8 if !self.marks.is_empty() => {
                let at = input.below(self.marks.len());
                let sequence = input.u8() as u64;
                match input.below(4) {
                    0 => member.begin_message(self.marks[at], sequence),
                    1 | 2 => member.handle_message(self.marks[at], sequence),
                    _ => member.forget_bookmark(self.marks.swap_remove(at)),
                }
            }
            _ => {
                member.take_gaps(u64::MAX);
                let glob = Glob::new(PATTERNS[input.below(PATTERNS.len())]).expect("a pattern");
                member.topics_now(Some(&glob));
                member.members_now();
            }
        }
        Ok(())
    }

    /// Takes what there is in its groups.
    pub fn work(&mut self, member: &mut Attachment) -> Result<(), Corrupt> {
        for _ in 0..64 {
            match member.take(&mut Anything) {
                Turn::Taken(_) | Turn::Ended(Drained::More | Drained::Cut) => {}
                Turn::Ended(Drained::All) => break,
                Turn::Ended(Drained::Corrupt) => return Err(Corrupt),
            }
        }
        member.consume();
        Ok(())
    }
}

/// The past lies before what is live, its numbers follow each other up to the last one there was, and what is lost before them.
fn check(found: &History, from: u64) {
    let numbers: Vec<u64> = found.kept.iter().map(|kept| kept.head.sequence).collect();
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "{numbers:?}");
    assert!(numbers.last().is_none_or(|last| *last == found.before), "{numbers:?} up to {}", found.before);
    assert!(found.kept.iter().all(|kept| kept.head.position < from));
    let first = numbers.first().copied().unwrap_or(found.before + 1);
    assert!(
        found.lost.iter().all(|(from, to, _)| from <= to && *to < first),
        "{:?} before {first}",
        found.lost
    );
}

/// What there is, unless the segment is corrupt; refused is nothing.
fn known<T>(result: Result<T, TopicError>) -> Result<Option<T>, Corrupt> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(TopicError::Corrupt) => Err(Corrupt),
        Err(_) => Ok(None),
    }
}
