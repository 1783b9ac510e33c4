//! Finding the memory of a living bus whose files are gone: removed by hand, by a cleaner of temporary files, by systemd's
//! RemoveIPC at logout. Without it an opener would make a second bus of the same name beside the living one.
//!
//! That somebody is there, the members' presence says. The memory is found by its label while it has a name; without one
//! it lives on, but nobody can come to it any more.

use super::mapping::Segment;
use super::os::memory;
use super::place::Place;
use crate::layout::{Label, MAGIC, SEGMENT_OPEN};
use std::fs::File;
use std::io::Read;

/// The memory of `place` that still has a name and living members, though no pointer leads to it.
pub(crate) fn find_memory(place: &Place) -> Option<Segment> {
    memory::ids().into_iter().find_map(|id| {
        let segment =
            bears_mark(&memory::look_into(&id)?, place).then(|| Segment::open(&id, place).ok())??;
        segment.is_inhabited(place).then_some(segment)
    })
}

/// Who holds memory of a place that has lost its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(windows, expect(dead_code))] // memory keeps its name there
pub(crate) enum Holder {
    /// A process of a living bus.
    Member(u32),
    /// Only processes of one that its last member has closed: on their way out, or forked copies of those.
    Left,
    Nobody,
}

pub(crate) fn holder_of_memory(place: &Place) -> Holder {
    memory::holder(place)
}

/// Whether the label says: a bus of slabcast's, of this place, not removed by its last member.
fn bears_mark(memory: &File, place: &Place) -> bool {
    label_of(memory).is_some_and(|label| label.state == SEGMENT_OPEN && label.place == place.mark())
}

/// What slabcast's memory says of itself, whatever version made it; just opened. None: it is none of slabcast's, or not made
/// yet.
pub(super) fn label_of(mut memory: &File) -> Option<Label> {
    let mut bytes = [0; Label::BYTES];
    memory.read_exact(&mut bytes).ok()?;
    Some(Label::parse(&bytes)).filter(|label| label.magic == MAGIC)
}
