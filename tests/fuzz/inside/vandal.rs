//! Corruption of a segment at the places that steer something, by values that lie just beside what is right.

use super::Input;
use crate::layout::{Geometry, Header, MemberState, Slot};
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering::Relaxed, WORD};
use std::mem::offset_of;

/// Writes one word, or a few, as the input says.
pub(super) fn corrupt(input: &mut Input<'_>, segment: &Segment) {
    let words = segment.words();
    let at = place(input, segment.geometry(), words);
    let times = if input.u8().is_multiple_of(8) { input.below(32) } else { 1 };
    for word in words.iter().skip(at).take(times) {
        let old = word.load(Relaxed);
        word.store(value(input, segment, old), Relaxed);
    }
}

/// The index of a word; most often one that is used.
fn place(input: &mut Input<'_>, g: &Geometry, words: &[AtomicU64]) -> usize {
    let alloc = words[offset_of!(Header, alloc) / WORD].load(Relaxed);
    let tail = words[offset_of!(Header, tail) / WORD].load(Relaxed);
    let slots = g.sizes.slab_bytes / 64;
    // Of a message near the end of the order: where its slot lies, and its frame.
    let slot = g.ring / WORD + (tail.wrapping_sub(input.below(8) as u64) % slots) as usize;
    let frame = |unit: u64| g.slab / WORD + (unit % slots) as usize * 8;
    let (start, span) = match input.below(12) {
        0 => (offset_of!(Header, alloc) / WORD, 1),
        1 => (offset_of!(Header, tail) / WORD, 1),
        2 => (offset_of!(Header, registry) / WORD, 40),
        3 => (0, 8),
        4 | 5 => (g.members / WORD, g.sizes.members as usize * 32),
        6 => (slot, 1),
        7 => (frame(Slot(words[slot].load(Relaxed)).unit() as u64), 8),
        8 => (frame((alloc / 64).wrapping_sub(input.below(64) as u64)), 8),
        9 => (g.topics / WORD, g.sizes.topics as usize * 8),
        10 => {
            let sections = [
                (g.buckets, 32),
                (g.names, 256),
                (g.rows, 32),
                (g.log, 64),
                (g.groups, 1536),
                (g.group_rows, 32),
                (g.bookmarks, 256),
                (g.keys, 1024),
            ];
            let (start, bytes) = sections[input.below(sections.len())];
            (start / WORD, bytes / WORD)
        }
        _ => return input.u16() as usize % words.len(),
    };
    start + input.below(span)
}

fn value(input: &mut Input<'_>, segment: &Segment, old: u64) -> u64 {
    let header = segment.header();
    let (alloc, tail) = (header.alloc.load(Relaxed), header.tail.load(Relaxed));
    let small = input.below(16) as u64;
    match input.below(16) {
        0 => 0,
        1 => u64::MAX - small,
        2 => old ^ 1 << input.below(64),
        3 => old.wrapping_add(1 + small),
        4 => old.wrapping_sub(1 + small),
        5 => alloc.wrapping_add(small * 64),
        6 => alloc.wrapping_sub(small * 64),
        7 => tail.wrapping_add(small),
        8 => tail.wrapping_sub(small),
        9 => MemberState::new(small as u32, input.u8() as u32, input.below(6) as u64).0,
        10 => small << 32 | input.below(4) as u64,
        11 => 1 << input.below(64),
        12 => old.rotate_left(32),
        13 => segment.words()[input.u16() as usize % segment.words().len()].load(Relaxed),
        14 => small,
        _ => input.u64(),
    }
}
