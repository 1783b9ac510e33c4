//! Posting: which members sleep, and the posters' ends of their semaphores, opened when first needed.

use crate::layout::{Identity, MemberState, Parts};
use crate::segment::Place;
use crate::sync::{AtomicU64, Ordering, fence, fence_after_rmw, step};
use crate::wake::{Poster, Sleeper, asleep};
use Ordering::{Acquire, Relaxed, SeqCst};

#[derive(Debug, Default)]
pub(crate) struct Fanout {
    bells: Vec<Bell>,
    /// A member could not be posted to: it is probably dead.
    pub suspect: bool,
    /// Posts made, each a system call.
    pub posts: u64,
}

/// What one publisher holds of one member.
#[derive(Debug, Default)]
struct Bell {
    number: u32,
    poster: Option<Poster>,
    /// The epoch last posted for, or in which nobody was there to be posted to: once is enough.
    posted: u64,
}

impl Fanout {
    /// Posts to the sleeping members of a subscriber bitmap. After the commit of the message.
    pub fn post_row(&mut self, parts: &Parts<'_>, place: &Place, row: &[AtomicU64]) {
        // Partner: Reader::arm. The message's tail is seen by a reader that this does not see asleep; the same for
        // the bitmap and a reader that is just subscribing. The commit moved the tail, or saw that another had.
        fence_after_rmw();
        for (at, word) in row.iter().enumerate() {
            let mut bits = word.load(Relaxed);
            while bits != 0 {
                let index = at as u32 * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                self.post_if_asleep(parts, place, index);
            }
        }
    }

    /// Posts to every member, asleep or not: somebody died and may have owed a post.
    pub fn post_all(&mut self, parts: &Parts<'_>, place: &Place) {
        for index in 0..parts.members.len() as u32 {
            let state = MemberState(parts.members[index as usize].identity.state.load(Acquire));
            if state.in_use() {
                self.post(parts, place, index, state.number());
            }
        }
    }

    /// Wakes a member that may sleep while it holds the slab.
    pub fn nudge(&mut self, parts: &Parts<'_>, place: &Place, index: u32) {
        fence(SeqCst);
        self.post_if_asleep(parts, place, index);
    }

    /// Posts to one member if it sleeps, once per epoch. After a SeqCst fence.
    fn post_if_asleep(&mut self, parts: &Parts<'_>, place: &Place, index: u32) {
        let Some(member) = parts.members.get(index as usize) else { return };
        let Some(epoch) = asleep(member) else { return };
        if self.bell(index).posted == epoch {
            return;
        }
        let state = MemberState(member.identity.state.load(Acquire));
        if state.in_use() && self.post(parts, place, index, state.number()) {
            self.bell(index).posted = epoch;
        }
    }

    /// Posts through a handle of the member that holds the place now: a reused place is another semaphore. False: it is to
    /// be tried again.
    fn post(&mut self, parts: &Parts<'_>, place: &Place, index: u32, number: u32) -> bool {
        let open = || {
            let sleeper = Sleeper::of(&parts.members[index as usize], Identity::mine());
            Poster::open(&place.member_semaphore(number), &sleeper)
        };
        let bell = self.bell(index);
        let mut is_told = true;
        if bell.number != number || bell.poster.is_none() {
            let opened = open();
            is_told = opened.is_ok();
            *bell = Bell { number, poster: opened.ok().flatten(), posted: 0 };
        }
        step("post: due");
        let posted = bell.poster.as_ref().is_some_and(Poster::post);
        step("post: posted");
        if !posted && is_told {
            bell.poster = None;
            // Gone, unless it was just leaving.
            let state = MemberState(parts.members[index as usize].identity.state.load(Acquire));
            self.suspect |= state.in_use() && state.number() == number;
        }
        self.posts += 1;
        is_told
    }

    fn bell(&mut self, index: u32) -> &mut Bell {
        let index = index as usize;
        if self.bells.len() <= index {
            self.bells.resize_with(index + 1, Bell::default);
        }
        &mut self.bells[index]
    }
}
