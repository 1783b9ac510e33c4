//! Copies between our own bytes and words or blocks that other processes may be writing or reading: the only code that does.
//! What is read so is a guess until the caller has validated it; the caller's fences order the whole.
#![allow(unsafe_code)] // machine code that copies

use super::{AtomicU64, BLOCK, Block, Ordering::Relaxed, WORD};

/// Stores `bytes` into `words`, zero-filling the last word.
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

/// Loads the first `bytes.len()` bytes of `words`.
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
    let first = first % blocks.len();
    let (before, after) = bytes.split_at(bytes.len().min((blocks.len() - first) * BLOCK));
    store_run(&blocks[first..], before);
    store_run(blocks, after);
}

/// As [`load_words`], from a ring of blocks.
pub(crate) fn load_blocks(blocks: &[Block], first: usize, bytes: &mut [u8]) {
    let first = first % blocks.len();
    let (before, after) = bytes.split_at_mut(bytes.len().min((blocks.len() - first) * BLOCK));
    load_run(&blocks[first..], before);
    load_run(blocks, after);
}

/// Word by word: what every processor can do, and a model can follow.
#[cfg(any(not(target_arch = "x86_64"), loom))]
mod run {
    use super::*;

    pub(super) fn store_run(blocks: &[Block], bytes: &[u8]) {
        for (block, chunk) in blocks.iter().zip(bytes.chunks(BLOCK)) {
            store_words(&block.0, chunk);
        }
    }

    pub(super) fn load_run(blocks: &[Block], bytes: &mut [u8]) {
        for (block, chunk) in blocks.iter().zip(bytes.chunks_mut(BLOCK)) {
            load_words(&block.0, chunk);
        }
    }
}

/// Sixteen bytes at once: twice as fast from 64 bytes to 64 KiB, and as memcpy is.
#[cfg(all(target_arch = "x86_64", not(loom)))]
mod run {
    use super::*;

    const WIDE: usize = 16;

    pub(super) fn store_run(blocks: &[Block], bytes: &[u8]) {
        let (wide, rest) = bytes.split_at(bytes.len() / WIDE * WIDE);
        assert!(bytes.len() <= blocks.len() * BLOCK);
        // SAFETY: both hold that many bytes. The blocks are atomics: they may change behind a shared reference.
        unsafe { copy_wide(wide.as_ptr(), blocks.as_ptr().cast_mut().cast(), wide.len()) };
        if !rest.is_empty() {
            store_words(&blocks[wide.len() / BLOCK].0[wide.len() % BLOCK / WORD..], rest);
        }
    }

    pub(super) fn load_run(blocks: &[Block], bytes: &mut [u8]) {
        let (wide, rest) = bytes.split_at_mut(bytes.len() / WIDE * WIDE);
        assert!(wide.len() + rest.len() <= blocks.len() * BLOCK);
        // SAFETY: both hold that many bytes.
        unsafe { copy_wide(blocks.as_ptr().cast(), wide.as_mut_ptr(), wide.len()) };
        if !rest.is_empty() {
            load_words(&blocks[wide.len() / BLOCK].0[wide.len() % BLOCK / WORD..], rest);
        }
    }

    /// In machine code, for to Rust's compiler a copy of bytes that another writes is undefined, and to the processor it is
    /// any mix of the old and the new. Ordinary loads and stores, which x86-64 keeps in their order as those of atomics.
    ///
    /// # Safety
    /// `len` bytes, a multiple of 16, can be read at `from` and written at `to`, and the two do not overlap.
    #[inline(always)]
    unsafe fn copy_wide(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: it touches what the caller vouches for.
        unsafe {
            std::arch::asm!(
                // Four at once as long as there are four.
                "lea {end}, [{at} - 64]",
                "cmp {at}, 64",
                "mov {at:e}, 0",
                "jb 3f",
                "2:",
                "movups {a}, [{from} + {at}]",
                "movups {b}, [{from} + {at} + 16]",
                "movups {c}, [{from} + {at} + 32]",
                "movups {d}, [{from} + {at} + 48]",
                "movups [{to} + {at}], {a}",
                "movups [{to} + {at} + 16], {b}",
                "movups [{to} + {at} + 32], {c}",
                "movups [{to} + {at} + 48], {d}",
                "add {at}, 64",
                "cmp {at}, {end}",
                "jbe 2b",
                "3:",
                "add {end}, 64",
                "cmp {at}, {end}",
                "jae 5f",
                "4:",
                "movups {a}, [{from} + {at}]",
                "movups [{to} + {at}], {a}",
                "add {at}, 16",
                "cmp {at}, {end}",
                "jb 4b",
                "5:",
                from = in(reg) from,
                to = in(reg) to,
                at = inout(reg) len => _,
                end = out(reg) _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }
}
use run::{load_run, store_run};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back_also_round_the_end_of_the_slab_and_touch_no_others() {
        const COUNT: usize = 5;
        let untouched = || -> Vec<Block> {
            (0..COUNT).map(|_| Block(std::array::from_fn(|_| AtomicU64::new(u64::MAX)))).collect()
        };
        for first in 0..COUNT {
            for len in 0..=COUNT * BLOCK {
                let blocks = untouched();
                let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + first) as u8).collect();
                store_blocks(&blocks, first, &bytes);
                let mut back = vec![0xAA; len + 1];
                load_blocks(&blocks, first, &mut back[..len]);
                assert_eq!((&bytes[..], 0xAA), (&back[..len], back[len]), "first {first} len {len}");
                // The last word is filled with zeros; what lies behind it is another's.
                let words = (0..COUNT * 8).map(|at| {
                    let at = (first * 8 + at) % (COUNT * 8);
                    blocks[at / 8].0[at % 8].load(Relaxed)
                });
                let untouched = words.skip(len.div_ceil(WORD)).all(|word| word == u64::MAX);
                assert!(untouched, "first {first} len {len}");
            }
        }
    }
}
