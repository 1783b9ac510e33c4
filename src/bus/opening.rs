//! Opening a bus: finding its segment, clearing away a dead one, making a new one, in a place where others do the same and
//! any of them may die. Under the registry lock.

use super::failures::os;
use super::inspection::Inspection;
use super::shared::{LOCK_WAIT, Membership, OPEN, Shared};
use crate::error::OpenError;
use crate::layout::Sizes;
use crate::segment::{
    Guard, Holder, LockError, Place, PlaceError, Presence, Present, RegistryLock, Segment, SegmentError,
    anyone_lives, find_memory, holder_of_memory, is_ours, memory_id, read_text, remove_all_member_files,
    remove_bus, remove_memory, sweep,
};
use crate::sync::step;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Each failed try means that somebody else removed the bus at that moment; this often, it is something else.
const TRIES: usize = 1000;

/// How long somebody may be present whom nothing else shows: a process takes its time to die, and its threads are not gone
/// with its pid.
const GHOST_WAIT: Duration = Duration::from_secs(2);
/// How long the files of a shared bus may be closed to its group.
const DENIED_WAIT: Duration = Duration::from_millis(500);
/// Between two looks at either.
const PAUSE: Duration = Duration::from_millis(10);

/// How one try to open ended without a bus.
enum Attempt {
    /// It was being removed.
    Again,
    /// Somebody is present, and there is no memory to be found.
    Ghost,
    Failed(OpenError),
}

/// What a pointer leads to.
enum Pointed {
    Living(Box<Segment>),
    /// Members of it live, but it is not to be found there.
    Lost,
    /// It was dead, and is cleared away.
    Cleared,
}

impl Shared {
    /// Opens the bus at `place`, or makes it, and attaches the calling thread to it.
    pub fn open(place: Place, sizes: Sizes, thread: u32) -> Result<(Arc<Shared>, Membership), OpenError> {
        sweep(&place);
        let (mut ghost_since, mut denied_since) = (None, None);
        for _ in 0..TRIES {
            match Shared::try_open(&place, sizes, thread) {
                // The last member removed it in the middle: what it removed is gone, the next try makes it anew.
                Err(Attempt::Again) => continue,
                Err(Attempt::Ghost) => {
                    if ghost_since.get_or_insert_with(Instant::now).elapsed() > GHOST_WAIT {
                        return Err(OpenError::InUse { pid: None });
                    }
                    std::thread::sleep(PAUSE);
                }
                // Another user of the group has made it, and has yet to let the group in: the umask forbade it at first.
                Err(Attempt::Failed(OpenError::Access { .. }))
                    if place.is_shared()
                        && denied_since.get_or_insert_with(Instant::now).elapsed() < DENIED_WAIT =>
                {
                    std::thread::sleep(PAUSE);
                }
                Err(Attempt::Failed(error)) => return Err(error),
                Ok(open) => return Ok(open),
            }
        }
        Err(os(place.folder(), io::ErrorKind::NotFound.into()))
    }

    fn try_open(place: &Place, sizes: Sizes, thread: u32) -> Result<(Arc<Shared>, Membership), Attempt> {
        place.ensure()?;
        let lock = RegistryLock::open(place)?;
        let guard = lock.acquire(LOCK_WAIT)?;
        step("open: locked");
        let known = OPEN.get(place.folder()).and_then(|weak| weak.upgrade());
        let known = known.filter(|shared| !shared.is_forked());
        let pointer = match read_text(&place.pointer()) {
            Ok(id) => Some(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Not to be read is not the same as not there: no second bus is made beside a living one.
            Err(error) => return Err(Attempt::Failed(PlaceError::io(&place.pointer(), error).into())),
        };
        if let Some(shared) = known.as_ref().filter(|shared| pointer.as_deref() == Some(shared.segment.id()))
        {
            return attach(shared.clone(), &guard, thread);
        }
        let segment = match pointer.map_or(Ok(Pointed::Lost), |id| look_at(&id, place))? {
            Pointed::Living(segment) => Some(*segment),
            Pointed::Lost => find_lost(place)?,
            Pointed::Cleared => None,
        };
        if let Some(segment) = segment {
            if let Some(shared) = known.filter(|shared| shared.segment.id() == segment.id()) {
                // Its files were removed: the lock just taken is a new one.
                shared.set_lock(lock);
                return attach(shared, &guard, thread);
            }
            return attach(Shared::new(segment, place, lock), &guard, thread);
        }
        // Before there is memory: without anybody present it would be swept.
        let making = Presence::declare(place.mark()).map_err(|error| os(place.folder(), error))?;
        let segment = match build(place, sizes) {
            Ok(segment) => segment,
            Err(error) => {
                drop(making);
                // A first opener that cannot make its bus leaves nothing behind.
                remove_bus(place, None);
                return Err(error.into());
            }
        };
        let opened = attach(Shared::new(segment, place, lock), &guard, thread);
        drop(making);
        opened
    }
}

fn attach(shared: Arc<Shared>, guard: &Guard, thread: u32) -> Result<(Arc<Shared>, Membership), Attempt> {
    let membership = shared.attach(guard, thread)?;
    OPEN.insert(shared.place.folder().to_owned(), Arc::downgrade(&shared));
    Ok((shared, membership))
}

/// Follows a pointer, and clears away what is dead there.
fn look_at(id: &str, place: &Place) -> Result<Pointed, OpenError> {
    if !is_ours(id) {
        if anyone_lives(place) {
            return Err(OpenError::Corrupt("its pointer file names something else".into()));
        }
        remove_pointer(place);
        return Ok(Pointed::Cleared);
    }
    let opened = Segment::open(id, place).and_then(|segment| {
        let looked = Inspection::default().look(segment.header(), &segment.parts());
        looked.map(|()| segment).map_err(|_| SegmentError::Corrupt("its header"))
    });
    match opened {
        Ok(segment) if segment.is_inhabited(place) => return Ok(Pointed::Living(Box::new(segment))),
        Ok(_) => {}
        Err(SegmentError::Place(error)) => return Err(error.into()),
        Err(SegmentError::Gone(_)) => return Ok(Pointed::Lost),
        // What cannot be looked into is dead only if nothing says otherwise.
        Err(error) if anyone_lives(place) || Present::at(place.mark()) == Present::Somebody => {
            return Err(error.into());
        }
        Err(_) => {}
    }
    // Nobody lives there: what is left makes room.
    remove_memory(place, id);
    step("replace: unlinked");
    remove_pointer(place);
    Ok(Pointed::Cleared)
}

fn remove_pointer(place: &Place) {
    let _ = std::fs::remove_file(place.pointer());
    step("replace: unnamed");
    remove_all_member_files(place);
}

/// The segment of a bus whose members live, but whose files were removed: its pointer is put back. An error where its memory
/// has no name any more.
fn find_lost(place: &Place) -> Result<Option<Segment>, Attempt> {
    let present = Present::at(place.mark());
    if present == Present::Nobody {
        return Ok(None);
    }
    if let Some(segment) = find_memory(place) {
        let pointer = place.pointer();
        place.note(segment.id()).map_err(|error| os(&pointer, error))?;
        step("lost: noted");
        place.point().map_err(|error| os(&pointer, error))?;
        step("lost: named");
        return Ok(Some(segment));
    }
    match (holder_of_memory(place), present) {
        (Holder::Member(pid), _) => Err(OpenError::InUse { pid: Some(pid) }.into()),
        // That is who is present.
        (Holder::Left, _) => Ok(None),
        (Holder::Nobody, Present::Somebody) => Err(Attempt::Ghost),
        (Holder::Nobody, _) => Ok(None),
    }
}

/// Makes the segment under a random name and only then lets the pointer name it. The name is noted first, so that a
/// death on the way leaves nothing unknown.
fn build(place: &Place, sizes: Sizes) -> Result<Segment, OpenError> {
    let making = place.pointer_in_making();
    if let Some(id) = read_text(&making).ok().filter(|id| is_ours(id)) {
        Segment::unlink(&id);
    }
    let random = getrandom::u64().map_err(|error| os(Path::new("random bytes"), error.into()))?;
    let id = memory_id(random);
    place.note(&id).map_err(|error| os(&making, error))?;
    step("create: noted");
    let segment = Segment::create(&id, place, sizes)?;
    step("create: built");
    place.point().map_err(|error| os(&making, error))?;
    step("create: named");
    Ok(segment)
}

impl From<OpenError> for Attempt {
    fn from(error: OpenError) -> Self {
        match error {
            // Its folder went in the middle.
            OpenError::Os { error, .. } if error.kind() == io::ErrorKind::NotFound => Attempt::Again,
            error => Attempt::Failed(error),
        }
    }
}
impl From<PlaceError> for Attempt {
    fn from(error: PlaceError) -> Self {
        if error.is_gone() { Attempt::Again } else { Attempt::Failed(error.into()) }
    }
}
impl From<LockError> for Attempt {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Stale | LockError::Split => Attempt::Again,
            LockError::Busy(waited) => Attempt::Failed(OpenError::Busy(waited)),
            LockError::Place(error) => error.into(),
        }
    }
}
