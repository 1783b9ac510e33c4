//! Removing buses: the one whose last member leaves, and those whose members all died, whatever their names.

use super::lock::RegistryLock;
use super::lost::label_of;
use super::mapping::Segment;
use super::os::{files, memory};
use super::place::{Place, read_text};
use super::presence::Present;
use super::witness::lives;
use crate::layout::Identity;
use crate::sync::step;
use std::io::ErrorKind;

/// Removes every file of a bus that has no living member; nothing, if it is another's than the memory `only`. Under its
/// registry lock; the lock's file goes last, so that a death in the middle leaves what the next sweep finds.
pub(crate) fn remove_bus(place: &Place, only: Option<&str>) {
    if only.is_some_and(|only| read_text(&place.pointer()).is_ok_and(|id| id != only)) {
        return;
    }
    for pointer in [place.pointer_in_making(), place.pointer()] {
        match read_text(&pointer) {
            Ok(id) if is_ours(&id) => remove_memory(place, &id),
            // Nothing else knows the name: the pointer stays for the next sweep.
            Err(error) if error.kind() != ErrorKind::NotFound => continue,
            _ => {}
        }
        step("remove: memory gone");
        let _ = files::remove(&pointer);
    }
    step("remove: unnamed");
    remove_owed(place);
    remove_all_member_files(place);
    let _ = files::remove(&place.lock());
    step("remove: unlocked");
    place.remove_folders();
}

/// Removes a dead bus' memory. It is closed first: who is still on the way out has it mapped, and is not to be taken for
/// somebody who uses it.
pub(crate) fn remove_memory(place: &Place, id: &str) {
    if let Ok(segment) = Segment::open(id, place) {
        segment.mark_closed();
    }
    unlink_memory(place, id);
}

/// Removes the name of closed memory. Only its owner may, in the sticky /dev/shm: who shares the bus with him gives the memory
/// back and leaves a note for his next sweep.
pub(crate) fn unlink_memory(place: &Place, id: &str) {
    if !Segment::unlink(id) {
        // What cannot be noted is found by its label.
        let _ = place.note_owed(&id[1..]);
    }
}

/// Does what others could only note.
fn remove_owed(place: &Place) {
    for (id, note) in place.all_owed() {
        if is_ours(&id) && Segment::unlink(&id) {
            let _ = files::remove(&note);
        }
    }
}

pub(crate) fn remove_all_member_files(place: &Place) {
    for (_, path) in place.member_files().unwrap_or_default() {
        let _ = files::remove(&path);
        step("remove: one file");
    }
}

/// Whether a member lives, as far as the files say: for those who have no segment to look into. Where they cannot be
/// looked at, somebody may.
pub(crate) fn anyone_lives(place: &Place) -> bool {
    let mine = Identity::mine();
    match place.member_files() {
        Ok(files) => files.iter().any(|(number, _)| lives(None, place, *number, mine)),
        Err(_) => true,
    }
}

/// Whether somebody lives there: as the members' files say, or the segment; where that cannot be looked into, their presence.
fn is_inhabited(place: &Place) -> bool {
    let pointed = || Segment::open(&read_text(&place.pointer()).ok().filter(|id| is_ours(id))?, place).ok();
    anyone_lives(place)
        || match pointed() {
            Some(segment) => segment.is_inhabited(place),
            None => Present::at(place.mark()) == Present::Somebody,
        }
}

/// Removes what dead buses of this user left behind. A bus whose lock is held is looked at another time.
pub(crate) fn sweep(place: &Place) {
    files::tidy();
    // Before the pointers: what is made meanwhile is not taken for lost.
    let all = memory::ids();
    let mut known = sweep_root(place);
    if files::GROUPS {
        known.extend(sweep_root(&place.other_root()));
    }
    for id in all.iter().filter(|id| !known.contains(id)) {
        sweep_lost(id);
    }
}

/// Memory no pointer leads to, and nobody holds: its files were removed, and then its members died.
fn sweep_lost(id: &str) {
    let label = memory::look_into(id).filter(memory::is_mine).and_then(|file| label_of(&file));
    if label.is_some_and(|label| Present::at(label.place) == Present::Nobody) {
        Segment::unlink(id);
        step("sweep: lost memory gone");
    }
}

/// Returns the memory that the buses there point to.
fn sweep_root(place: &Place) -> Vec<String> {
    let mut known = Vec::new();
    // A link or a folder somebody else planted leads to files that are none of ours.
    if place.check(place.root(), true).is_err() {
        return known;
    }
    let Ok(entries) = std::fs::read_dir(place.root()) else { return known };
    // Read to the end first: what follows needs the descriptor.
    let folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    for folder in folders {
        let other = place.sibling(folder);
        if other.check(other.folder(), true).is_err() {
            continue;
        }
        for pointer in [other.pointer_in_making(), other.pointer()] {
            known.extend(read_text(&pointer));
        }
        remove_owed(&other);
        if other.folder() == place.folder() || is_inhabited(&other) {
            continue;
        }
        let Ok(lock) = RegistryLock::open(&other) else { continue };
        let Ok(_guard) = lock.try_acquire() else { continue };
        step("sweep: locked");
        // Again, now that nobody can attach.
        if !is_inhabited(&other) {
            remove_bus(&other, None);
        }
    }
    // Empty where the last one to leave a shared bus did not own it.
    let _ = std::fs::remove_dir(place.root());
    known
}

/// The name of a memory object: at most 31 bytes, which is what macOS takes.
pub(crate) fn memory_id(random: u64) -> String {
    format!("/slabcast.{random:016x}")
}

/// A pointer's content is a name this crate gives: nothing else is ever unlinked.
pub(crate) fn is_ours(id: &str) -> bool {
    id.strip_prefix("/slabcast.")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_of_memory_fit_every_system_and_are_known_as_ours() {
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = memory_id(random);
            // PSHMNAMLEN of macOS, with the slash.
            assert!(id.len() <= 31 && is_ours(&id), "{id}");
        }
        assert_ne!(memory_id(1), memory_id(2));
        for rest in ["", "0123456789abcde", "0123456789abcdefa", "0123456789abcde/"] {
            assert!(!is_ours(&format!("/slabcast.{rest}")), "{rest}");
        }
        assert!(!is_ours("0123456789abcdef"));
    }
}
