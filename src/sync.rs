//! The seam to the memory model: atomics and fences (std's, or loom's in a model) and the only code that
//! copies bytes other processes may be writing. Nothing else in the crate names an atomic type or makes a
//! slice of shared bytes.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(loom)]
pub(crate) use modelled::{AtomicU32, AtomicU64};
#[cfg(loom)]
#[path = "../tests/model/atomics.rs"]
pub(crate) mod modelled;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Atomics of this process alone, which no model looks at.
pub(crate) mod process {
    pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
}

use Ordering::Relaxed;
use std::ops::Deref;

/// A SeqCst fence that comes after an atomic read-modify-write of this thread's, with no store in between that it is to order. On
/// x86-64 those are full barriers of the processor (a locked instruction drains the stores before it, and no load is done
/// ahead of it), so that only the compiler is to be held; an `mfence` more cost 16 ns, a quarter of a small message's commit.
#[inline(always)]
pub(crate) fn fence_after_rmw() {
    if cfg!(all(target_arch = "x86_64", not(loom))) {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// A value alone on its cache line (64 bytes), so that its writer does not slow the neighbours' readers.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub T);

impl<T> Deref for Line<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// 64 bytes of the slab, the unit in which frames are reserved.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [AtomicU64; 8]);

/// A point between two steps, by name. Nothing in production; in a model or a property test the thread may end here as if
/// it had been killed, and with the feature `kill-points` the process may be, by SIGKILL, or stopped.
#[inline(always)]
pub(crate) fn step(_name: &'static str) {
    #[cfg(test)]
    crate::death::reached(_name);
    #[cfg(all(feature = "kill-points", not(test)))]
    crate::kill_points::reached(_name);
}

pub(crate) const WORD: usize = 8;
pub(crate) const BLOCK: usize = 64;

/// Copies `bytes` into `words`, zero-filling the last word. Relaxed: the caller's fences order the whole.
pub(crate) fn store_words(words: &[AtomicU64], bytes: &[u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    let (whole, rest) = bytes.as_chunks::<WORD>();
    for (word, chunk) in words.iter().zip(whole) {
        word.store(u64::from_ne_bytes(*chunk), Relaxed);
    }
    if !rest.is_empty() {
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        words[whole.len()].store(u64::from_ne_bytes(last), Relaxed);
    }
}

/// Copies the first `bytes.len()` bytes of `words` out. What is read is a guess until the caller has validated it.
pub(crate) fn load_words(words: &[AtomicU64], bytes: &mut [u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    let (whole, rest) = bytes.as_chunks_mut::<WORD>();
    for (word, chunk) in words.iter().zip(whole.iter_mut()) {
        *chunk = word.load(Relaxed).to_ne_bytes();
    }
    if !rest.is_empty() {
        let last = words[whole.len()].load(Relaxed).to_ne_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// As [`store_words`], into a ring of blocks from block `first` on, round the end if need be.
pub(crate) fn store_blocks(blocks: &[Block], first: usize, bytes: &[u8]) {
    let mut at = first % blocks.len();
    for chunk in bytes.chunks(BLOCK) {
        store_words(&blocks[at].0, chunk);
        at = if at + 1 == blocks.len() { 0 } else { at + 1 };
    }
}

/// As [`load_words`], from a ring of blocks.
pub(crate) fn load_blocks(blocks: &[Block], first: usize, bytes: &mut [u8]) {
    let mut at = first % blocks.len();
    for chunk in bytes.chunks_mut(BLOCK) {
        load_words(&blocks[at].0, chunk);
        at = if at + 1 == blocks.len() { 0 } else { at + 1 };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back_also_round_the_end_of_the_slab() {
        let blocks: Vec<Block> = (0..4).map(|_| Block::default()).collect();
        for first in 0..4 {
            for len in 0..=256 {
                let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + first) as u8).collect();
                store_blocks(&blocks, first, &bytes);
                let mut back = vec![0xAA; len];
                load_blocks(&blocks, first, &mut back);
                assert_eq!(bytes, back, "first {first} len {len}");
            }
        }
    }
}
