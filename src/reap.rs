//! What the dead left in the segment, one repair per step a death can cut. Under the registry lock, repeated by the next
//! one if the reaper dies too.

use crate::layout::{Corrupt, MemberState, Parts};
use crate::registry::{Topics, detach, moved};
use crate::ring::Ring;
use crate::sync::Ordering::{Acquire, Release};
use crate::sync::step;

/// Frees the place of member `index`, known to be dead, if it is still the one seen. The caller then removes its files
/// and posts to every member: the dead may have committed without posting.
pub(crate) fn reap(
    parts: &Parts<'_>,
    topics: &Topics<'_>,
    index: u32,
    seen: MemberState,
) -> Result<bool, Corrupt> {
    let member = &parts.members[index as usize];
    let state = MemberState(member.identity.state.load(Acquire));
    if state.number() != seen.number() || !state.in_use() {
        return Ok(false);
    }
    // R7: what stands committed at the tail may be the dead one's, and its frame is safe only while its reservation
    // holds the slab: finalised first.
    Ring::of(parts).help_at_tail()?;
    step("reap: helped");
    // A death between reserve and commit: the space goes back, nothing of the message was visible.
    member.inflight.store(0, Release);
    step("reap: space given back");
    // A death while subscribed: nobody posts to it any more.
    topics.forget_member(index);
    step("reap: forgotten");
    // Last: until here the place is reaped again by whoever looks.
    detach(member);
    moved(topics.header);
    step("reap: detached");
    Ok(true)
}
