//! Where durable subscriptions go on: a table of bookmarks by topic and name, hashed as the topics are. Looked up and made
//! under the registry lock only; what its holder writes is its own until it lets go.
//!
//! As in the topic table a change is bracketed by a `dirty` of its own: who finds it set rebuilds the chains.

use crate::layout::{Bookmark, BookmarkKey, BookmarkTable, Corrupt, KEY_MAX};
use crate::sync::{AtomicU32, Ordering, load_words, step, store_words};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Why there is no place for another bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoBookmark {
    Full { capacity: u32 },
    Corrupt,
}

impl From<Corrupt> for NoBookmark {
    fn from(_: Corrupt) -> Self {
        NoBookmark::Corrupt
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Bookmarks<'a> {
    pub table: &'a BookmarkTable,
    pub buckets: &'a [AtomicU32],
    /// As many as topics; those not reserved must not be touched.
    pub all: &'a [Bookmark],
    pub keys: &'a [BookmarkKey],
}

/// What names a bookmark: a topic and the name of a subscription, of which neither holds NUL.
pub(crate) fn bookmark_key(topic: &[u8], name: &[u8]) -> Vec<u8> {
    [topic, &[0], name].concat()
}

impl<'a> Bookmarks<'a> {
    fn reserved(&self) -> &'a [Bookmark] {
        &self.all[..(self.table.reserved.load(Acquire) as usize).min(self.all.len())]
    }

    fn bucket(&self, hash: u64) -> &'a AtomicU32 {
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }

    /// One that is reserved.
    pub fn get(&self, index: u32) -> Option<&'a Bookmark> {
        self.reserved().get(index as usize)
    }

    fn entry(&self, link: u32) -> Result<(u32, &'a Bookmark), Corrupt> {
        let index = link.checked_sub(1).ok_or(Corrupt)?;
        Ok((index, self.get(index).ok_or(Corrupt)?))
    }

    fn key_is(&self, index: u32, bookmark: &Bookmark, key: &[u8]) -> bool {
        let mut bytes = [0; KEY_MAX];
        if bookmark.key_len.load(Relaxed) as usize != key.len() || key.len() > KEY_MAX {
            return false;
        }
        let bytes = &mut bytes[..key.len()];
        load_words(&self.keys[index as usize].0, bytes);
        bytes == key
    }

    /// Whether the numbers of entries can be.
    pub fn is_sound(&self) -> bool {
        let (made, reserved) = (self.table.made.load(Relaxed), self.table.reserved.load(Acquire));
        made <= reserved && reserved as usize <= self.all.len()
    }

    /// Cleans up after a holder of the lock that died in the middle of a change.
    pub fn recover(&self) {
        if self.table.dirty.load(Acquire) == 0 {
            return;
        }
        for bucket in self.buckets {
            bucket.store(0, Relaxed);
        }
        step("bookmarks: emptied");
        let made = (self.table.made.load(Relaxed) as usize).min(self.reserved().len());
        let mut gone = 0;
        for (index, bookmark) in (0..).zip(&self.reserved()[..made]) {
            if bookmark.state.load(Relaxed) == Bookmark::FREE {
                bookmark.key_len.store(0, Relaxed);
                bookmark.state.store(Bookmark::GONE, Release);
            }
            gone += (bookmark.state.load(Relaxed) == Bookmark::GONE) as u32;
            self.link(index, bookmark);
        }
        self.table.gone.store(gone, Relaxed);
        self.table.dirty.store(0, Release);
    }

    /// The bookmark of that key.
    pub fn find(&self, key: &[u8], hash: u64) -> Result<Option<u32>, Corrupt> {
        let mut link = self.bucket(hash).load(Relaxed);
        for _ in 0..=self.reserved().len() {
            if link == 0 {
                return Ok(None);
            }
            let (index, bookmark) = self.entry(link)?;
            if bookmark.state.load(Acquire) == Bookmark::KEPT
                && bookmark.hash.load(Relaxed) == hash
                && self.key_is(index, bookmark, key)
            {
                return Ok(Some(index));
            }
            link = bookmark.next.load(Relaxed);
        }
        Err(Corrupt)
    }

    /// Whether `vacancy` needs memory for another entry first.
    pub fn wants_memory(&self) -> bool {
        let made = self.table.made.load(Relaxed) as usize;
        made >= self.reserved().len() && made < self.all.len() && self.table.gone.load(Relaxed) == 0
    }

    /// An entry for another bookmark: one that is gone, or a new one.
    pub fn vacancy(&self) -> Result<u32, NoBookmark> {
        let made = self.table.made.load(Relaxed);
        let is_full = made as usize >= self.reserved().len();
        if is_full || self.table.gone.load(Relaxed) > 0 {
            let known = &self.reserved()[..(made as usize).min(self.reserved().len())];
            let gone = known.iter().position(|bookmark| bookmark.state.load(Acquire) == Bookmark::GONE);
            if let Some(index) = gone {
                return Ok(index as u32);
            }
            self.table.gone.store(0, Relaxed);
        }
        if is_full { Err(NoBookmark::Full { capacity: self.all.len() as u32 }) } else { Ok(made) }
    }

    /// Makes the bookmark of a key that `find` did not find, in a vacancy: everything up to number `handled` is.
    pub fn make(&self, index: u32, key: &[u8], hash: u64, handled: u64, holder: u32) -> Result<(), Corrupt> {
        let bookmark = self.get(index).ok_or(Corrupt)?;
        let made = self.table.made.load(Relaxed);
        self.table.dirty.store(1, SeqCst);
        if index < made {
            self.unlink(index, bookmark)?;
            let gone = self.table.gone.load(Relaxed);
            self.table.gone.store(gone.saturating_sub(1), Relaxed);
        }
        bookmark.state.store(Bookmark::FREE, SeqCst);
        step("bookmark: taken");
        bookmark.handled.store(handled, Relaxed);
        bookmark.begun.store(handled, Relaxed);
        bookmark.holder.store(holder, Relaxed);
        bookmark.hash.store(hash, Relaxed);
        bookmark.key_len.store(key.len() as u32, Relaxed);
        store_words(&self.keys[index as usize].0, key);
        if index == made {
            self.table.made.store(made + 1, Relaxed);
        }
        step("bookmark: named");
        self.link(index, bookmark);
        step("bookmark: linked");
        bookmark.state.store(Bookmark::KEPT, Release);
        step("bookmark: kept");
        self.table.dirty.store(0, Release);
        Ok(())
    }

    fn link(&self, index: u32, bookmark: &Bookmark) {
        let bucket = self.bucket(bookmark.hash.load(Relaxed));
        bookmark.next.store(bucket.load(Relaxed), Relaxed);
        bucket.store(index + 1, Release);
    }

    fn unlink(&self, index: u32, bookmark: &Bookmark) -> Result<(), Corrupt> {
        let mut from = self.bucket(bookmark.hash.load(Relaxed));
        for _ in 0..=self.reserved().len() {
            let link = from.load(Relaxed);
            if link == index + 1 {
                from.store(bookmark.next.load(Relaxed), Release);
                return Ok(());
            }
            from = &self.entry(link)?.1.next;
        }
        Err(Corrupt)
    }

    /// Its holder is another from now on. Returns (handled, begun).
    pub fn take(&self, index: u32, holder: u32) -> Result<(u64, u64), Corrupt> {
        let bookmark = self.get(index).ok_or(Corrupt)?;
        bookmark.holder.store(holder, Relaxed);
        step("bookmark: held");
        Ok((bookmark.handled.load(Acquire), bookmark.begun.load(Acquire)))
    }
}

/// What its holder does, without the lock; nothing, once it is another's.
impl Bookmark {
    fn is_of(&self, holder: u32) -> bool {
        self.holder.load(Acquire) == holder && self.state.load(Acquire) == Bookmark::KEPT
    }

    /// A listener is about to be called.
    pub fn begin(&self, holder: u32, sequence: u64) {
        if self.is_of(holder) {
            self.begun.store(sequence, Release);
            step("bookmark: begun");
        }
    }

    /// It has returned.
    pub fn handle(&self, holder: u32, sequence: u64) {
        if self.is_of(holder) {
            self.handled.store(sequence, Release);
            step("bookmark: handled");
        }
    }

    /// It reads on no more; who comes next does.
    #[cfg_attr(not(feature = "node"), allow(dead_code))]
    pub fn release(&self, holder: u32) {
        let _ = self.holder.compare_exchange(holder, 0, AcqRel, Relaxed);
    }

    /// Nobody ever reads on from here.
    pub fn forget(&self, table: &BookmarkTable, holder: u32) {
        if self.is_of(holder) {
            self.state.store(Bookmark::GONE, Release);
            step("bookmark: gone");
            table.gone.fetch_add(1, Relaxed);
        }
    }
}
