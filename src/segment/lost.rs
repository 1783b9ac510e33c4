//! Finding the memory of a living bus whose files are gone: removed by hand, by a cleaner of temporary files, by systemd's
//! RemoveIPC at logout. Without it an opener would make a second bus of the same name beside the living one.
//!
//! That somebody is there, the members' presence says. The memory is found by its label while it has a name; without one
//! it lives on, but nobody can come to it any more.

use super::mapping::Segment;
use super::place::{PARENT, Place};
use super::sweep::is_ours;
use crate::layout::{Label, MAGIC, SEGMENT_OPEN};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The names of all memory objects of slabcast's, whosever they are.
pub(crate) fn memory_ids() -> Vec<String> {
    let entries = std::fs::read_dir(PARENT).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(format!("/{}", entry.file_name().to_str()?)))
        .filter(|id| is_ours(id))
        .collect()
}

/// A memory object as a file; None where it is not to be read.
pub(super) fn open_memory(id: &str) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(Path::new(PARENT).join(&id[1..])).ok()
}

/// The memory of `place` that still has a name and living members, though no pointer leads to it.
pub(crate) fn find_memory(place: &Place) -> Option<Segment> {
    memory_ids().into_iter().find_map(|id| {
        let segment = bears_mark(&open_memory(&id)?, place).then(|| Segment::open(&id, place).ok())??;
        segment.is_inhabited(place).then_some(segment)
    })
}

/// Who holds memory of a place that has lost its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A process of a living bus.
    Member(u32),
    /// Only processes of one that its last member has closed: on their way out, or forked copies of those.
    Left,
    Nobody,
}

/// As far as /proc reaches: not into other PID namespaces, nor to other users.
pub(crate) fn holder_of_memory(place: &Place) -> Holder {
    let mut holder = Holder::Nobody;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match held_by(pid, place) {
            Some(SEGMENT_OPEN) => return Holder::Member(pid),
            Some(_) => holder = Holder::Left,
            None => {}
        }
    }
    holder
}

/// The state of the memory of that place a process holds; open, if it holds several.
fn held_by(pid: u32, place: &Place) -> Option<u32> {
    // Of other users' processes nothing is listed.
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let paths = descriptors.map(|entry| entry.path());
    let memory = paths.filter(|path| std::fs::read_link(path).is_ok_and(is_nameless_memory));
    let labels = memory.filter_map(|path| label_of(&File::open(path).ok()?));
    let states = labels.filter(|label| label.place == place.mark()).map(|label| label.state);
    states.min_by_key(|state| *state != SEGMENT_OPEN)
}

fn is_nameless_memory(target: PathBuf) -> bool {
    let target = target.to_string_lossy();
    target.strip_prefix(PARENT).and_then(|id| id.strip_suffix(" (deleted)")).is_some_and(is_ours)
}

/// Whether the label says: a bus of slabcast's, of this place, not removed by its last member.
fn bears_mark(memory: &File, place: &Place) -> bool {
    label_of(memory).is_some_and(|label| label.state == SEGMENT_OPEN && label.place == place.mark())
}

/// What slabcast's memory says of itself, whatever version made it. None: it is none of slabcast's, or not made yet.
pub(super) fn label_of(memory: &File) -> Option<Label> {
    let mut bytes = [0; Label::BYTES];
    memory.read_exact_at(&mut bytes, 0).ok()?;
    Some(Label::parse(&bytes)).filter(|label| label.magic == MAGIC)
}
