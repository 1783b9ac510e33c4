//! Removing buses: the one whose last member leaves, and those whose members all died, whatever their names.

use super::lock::RegistryLock;
use super::mapping::Segment;
use super::place::Place;
use super::witness::lives;
use crate::layout::Identity;
use crate::sync::step;
use std::io::ErrorKind;

/// Removes every file of a bus that has no living member. Under its registry lock; the lock's file goes last, so that a
/// death in the middle leaves what the next sweep finds.
pub(crate) fn remove_bus(place: &Place) {
    for pointer in [place.pointer_in_making(), place.pointer()] {
        match std::fs::read_to_string(&pointer) {
            Ok(id) if is_ours(&id) => Segment::unlink(&id),
            // Nothing else knows the name: the pointer stays for the next sweep.
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => continue,
            _ => {}
        }
        step("remove: memory gone");
        let _ = std::fs::remove_file(pointer);
    }
    step("remove: unnamed");
    remove_all_member_files(place);
    let _ = std::fs::remove_file(place.lock());
    step("remove: unlocked");
    place.remove_folders();
}

pub(crate) fn remove_all_member_files(place: &Place) {
    for (_, path) in place.member_files().unwrap_or_default() {
        let _ = std::fs::remove_file(path);
        step("remove: one file");
    }
}

/// Whether a member lives, as far as the files say: for those who have no segment to look into. Where they cannot be
/// looked at, somebody may.
pub(crate) fn anyone_lives(place: &Place) -> bool {
    let mine = Identity::mine();
    match place.member_files() {
        Ok(files) => files.iter().any(|(number, _)| lives(None, &place.member_lock(*number), mine)),
        Err(_) => true,
    }
}

/// Removes what dead buses of this user left behind. A bus whose lock is held is looked at another time.
pub(crate) fn sweep(place: &Place) {
    sweep_root(place);
    sweep_root(&place.other_root());
}

fn sweep_root(place: &Place) {
    // A link or a folder somebody else planted leads to files that are none of ours.
    if place.check(place.root(), true).is_err() {
        return;
    }
    let Ok(entries) = std::fs::read_dir(place.root()) else { return };
    // Read to the end first: what follows needs the descriptor.
    let folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    for folder in folders {
        let other = place.sibling(folder);
        if other.folder() == place.folder()
            || other.check(other.folder(), true).is_err()
            || anyone_lives(&other)
        {
            continue;
        }
        let Ok(lock) = RegistryLock::open(&other) else { continue };
        let Ok(_guard) = lock.try_acquire() else { continue };
        step("sweep: locked");
        // Again, now that nobody can attach.
        if !anyone_lives(&other) {
            remove_bus(&other);
        }
    }
}

/// A pointer's content is a name this crate gives: nothing else is ever unlinked.
pub(crate) fn is_ours(id: &str) -> bool {
    id.strip_prefix("/slabcast.")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}
