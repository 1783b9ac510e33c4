//! The member table: who is attached. Called under the registry lock, but for the reads.

use crate::layout::{Header, Identity, Member, MemberState, Parts};
use crate::sync::{Ordering, step};
use Ordering::{Acquire, Relaxed, Release};

/// Why a thread could not attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    Full { capacity: u32 },
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
        let number = header.registry.attached.load(Relaxed) + 1;
        header.registry.attached.store(number, Relaxed);
        step("attach: numbered");
        Ok(Newcomer { index: index as u32, number: number as u32 })
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
    // A slot's last user may have died asleep: awake, by the next even epoch (it never goes back).
    let epoch = member.sleeping.load(Relaxed);
    member.sleeping.store(epoch + (epoch & 1), Relaxed);
    let state = MemberState::new(newcomer.number, 0, MemberState::ATTACHED);
    step("attach: identified");
    // Last: it vouches for the rest.
    member.identity.state.store(state.0, Release);
    step("attach: attached");
}

/// Gives the place back: the last step of leaving and of reaping, which is repeated until it is done.
pub(crate) fn detach(member: &Member) {
    let state = MemberState(member.identity.state.load(Relaxed));
    member.identity.state.store(state.with_phase(MemberState::FREE).0, Release);
}
