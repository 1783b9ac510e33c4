//! The member table: who is attached. Called under the registry lock, but for the reads.

use crate::layout::{Header, Identity, Member, MemberState, Parts};
use crate::sync::{Ordering, step};
use Ordering::{Acquire, Relaxed, Release};

/// Why a thread could not attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    Full {
        capacity: u32,
    },
    /// The counter of numbers lies behind those it gave, or has none left to give.
    Corrupt,
}

/// The place of a thread that attaches: not visible before `attach` has returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub index: u32,
    pub number: u32,
}

impl Newcomer {
    /// A free place and a number nobody had before. The number is used up even if the newcomer dies here.
    pub fn choose(header: &Header, parts: &Parts<'_>) -> Result<Newcomer, AttachError> {
        let free = parts.members.iter().position(|member| !in_use(member));
        let Some(index) = free else {
            return Err(AttachError::Full { capacity: parts.members.len() as u32 });
        };
        let attached = header.registry.attached.load(Relaxed);
        let given = |member: &Member| MemberState(member.identity.state.load(Relaxed)).number() as u64;
        let Some(number) = attached.checked_add(1).and_then(|number| u32::try_from(number).ok()) else {
            return Err(AttachError::Corrupt);
        };
        if parts.members.iter().any(|member| given(member) > attached) {
            return Err(AttachError::Corrupt);
        }
        header.registry.attached.store(number as u64, Relaxed);
        step("attach: numbered");
        Ok(Newcomer { index: index as u32, number })
    }
}

pub(crate) fn in_use(member: &Member) -> bool {
    MemberState(member.identity.state.load(Acquire)).in_use()
}

/// Makes the newcomer a member. Its semaphore and its lock exist already: from now on others use them.
pub(crate) fn attach(parts: &Parts<'_>, newcomer: Newcomer, identity: Identity, thread: u32, semaphore: u32) {
    let member = &parts.members[newcomer.index as usize];
    // Release: it takes the place of the 0 of the reaper, or of who left, and must show what that showed (R3).
    member.inflight.store(0, Release);
    member.identity.pid.store(identity.pid, Relaxed);
    member.identity.thread.store(thread, Relaxed);
    member.identity.started.store(identity.started, Relaxed);
    member.identity.namespace.store(identity.namespace, Relaxed);
    member.identity.semaphore.store(semaphore, Relaxed);
    member.identity.watches.store(0, Relaxed);
    // It may have died with a message it had taken.
    member.reading.holds.store(0, Relaxed);
    member.reading.reach.store(0, Relaxed);
    // A slot's last user may have died asleep: awake, by the next even epoch (it never goes back).
    let epoch = member.sleeping.load(Relaxed);
    member.sleeping.store(epoch.wrapping_add(epoch & 1), Relaxed);
    let state = MemberState::new(newcomer.number, 0, MemberState::ATTACHED);
    step("attach: identified");
    // Last: it vouches for the rest.
    member.identity.state.store(state.0, Release);
    step("attach: attached");
}

/// The table was changed: who watches the members looks. A death just before is made good by their next tick.
pub(crate) fn moved(header: &Header) {
    let moved = &header.registry.moved;
    // Release: whoever sees it sees the change.
    moved.store(moved.load(Relaxed).wrapping_add(1), Release);
}

/// Gives the place back: the last step of leaving and of reaping, which is repeated until it is done.
pub(crate) fn detach(member: &Member) {
    let state = MemberState(member.identity.state.load(Relaxed));
    member.identity.state.store(state.with_phase(MemberState::FREE).0, Release);
}
