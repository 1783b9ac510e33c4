//! How what goes wrong in the rooms below becomes an error of the verb it went wrong in.

use crate::error::{OpenError, Owner, TopicError};
use crate::layout::Corrupt;
use crate::registry::{MakeError, NoGroup};
use crate::segment::{LockError, PlaceError, SegmentError, free_bytes, owner_of};
use std::io;
use std::path::Path;
use std::time::Duration;

impl From<PlaceError> for OpenError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Stranger(stranger) => {
                OpenError::Access { owner: Owner::from(stranger.owner), reason: stranger.found }
            }
            PlaceError::Io { path, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                OpenError::Access {
                    owner: Owner::from(owner_of(Path::new(&path))),
                    reason: format!("{path}: {error}"),
                }
            }
            PlaceError::Io { path, error } => os(Path::new(&path), error),
        }
    }
}

/// What the smallest file takes.
const PAGE: u64 = 4096;

pub(super) fn os(what: &Path, error: io::Error) -> OpenError {
    if error.kind() == io::ErrorKind::StorageFull {
        return OpenError::NoSpace { needed: PAGE, available: free_bytes() };
    }
    OpenError::Os { what: what.display().to_string(), error }
}

impl From<SegmentError> for OpenError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::NoSpace(e) => OpenError::NoSpace { needed: e.needed, available: e.available },
            SegmentError::Place(error) => error.into(),
            SegmentError::Version { found, expected } => OpenError::LayoutVersion { found, expected },
            SegmentError::Corrupt(what) => OpenError::Corrupt(what.into()),
            SegmentError::Gone(id) => os(Path::new(&id), io::ErrorKind::NotFound.into()),
            SegmentError::Os { id, error } => os(Path::new(&id), error),
        }
    }
}

impl From<LockError> for TopicError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy(waited) => TopicError::Busy(waited),
            LockError::Split => TopicError::Split,
            // Its files are being removed at this moment.
            LockError::Stale => {
                let what = "the registry lock (the files of the bus were removed)".into();
                TopicError::Os { what, error: std::io::ErrorKind::NotFound.into() }
            }
            LockError::Place(error) => {
                TopicError::Os { what: "the registry lock".into(), error: std::io::Error::other(error) }
            }
        }
    }
}

impl From<SegmentError> for TopicError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::NoSpace(e) => TopicError::NoSpace { needed: e.needed, available: e.available },
            SegmentError::Corrupt(_) => TopicError::Corrupt,
            SegmentError::Os { id, error } => TopicError::Os { what: id, error },
            error => TopicError::Os { what: "the segment".into(), error: std::io::Error::other(error) },
        }
    }
}

impl From<MakeError> for TopicError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::TableFull { capacity } => TopicError::TooMany { capacity },
            MakeError::Busy | MakeError::Unread => TopicError::Busy(Duration::ZERO),
            MakeError::Corrupt => TopicError::Corrupt,
        }
    }
}

impl From<NoGroup> for TopicError {
    fn from(error: NoGroup) -> Self {
        match error {
            NoGroup::Full { capacity } => TopicError::TooManyGroups { capacity },
            NoGroup::Corrupt => TopicError::Corrupt,
        }
    }
}

impl From<Corrupt> for TopicError {
    fn from(_: Corrupt) -> Self {
        TopicError::Corrupt
    }
}
