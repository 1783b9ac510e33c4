//! What lies in shared memory: a file format, drawn once, and nothing that acts on it.
//!
//! ```text
//!            offset                       bytes (default sizes)   reserved
//! header     0                            576                     at creation
//! log        geometry.log                 8 Ki                    at creation    ids of the topics made last, and of those whose
//!                                                                                interest changed last
//! members    geometry.members             256 x 256               at creation
//! buckets    geometry.buckets             131072 x 4              at creation    name hash -> first topic
//! ring       geometry.ring                262144 x 8              at creation    one slot per message
//! slab       geometry.slab                16 Mi                   at creation    frames, in blocks of 64
//! marks      geometry.marks               4096 x 4                at creation    key hash -> first bookmark
//! topics     geometry.topics              131072 x 64             as they appear, 512 at a time
//! rows       geometry.rows                131072 x 64             with their topics: bitmaps of who is posted to, who is
//!                                                                                subscribed by name
//! names      geometry.names               131072 x 256            with their topics
//! bookmarks  geometry.bookmarks           131072 x 64             as they appear, 64 at a time: where durable subscriptions go on
//! keys       geometry.keys                131072 x 512            with their bookmarks: topic, NUL, name
//! groups     geometry.groups              4096 x 384              as they appear, 64 at a time
//! group rows geometry.group_rows          4096 x 32               with their groups: bitmaps of who is a member
//! ```
//!
//! Each section begins on a page of its own. The sections at the end are sparse: their memory is reserved in step with
//! `topics_reserved` and `groups_reserved` of `header.registry`, or `header.bookmarks.reserved`, and nothing beyond those
//! numbers may be touched.
//!
//! Who writes what is said at each field. [`LAYOUT_VERSION`], the picture, the size asserts and the golden
//! test below change together.

mod bookmark;
mod frame;
mod geometry;
mod group;
mod header;
mod member;
mod parts;
mod slot;
mod topic;

pub(crate) use bookmark::{BOOKMARK_BUCKETS, Bookmark, BookmarkKey, BookmarkTable, KEY_MAX};
pub(crate) use frame::{FLAG_RAW, Frame, FrameFields, frame_bytes};
pub(crate) use geometry::{Geometry, SLAB_POSITION_MAX, Sizes};
#[cfg(test)]
pub(crate) use group::Gate;
pub(crate) use group::{GROUPS_MAX, Group, GroupCursor, GroupState};
pub(crate) use header::{Header, Label, SEGMENT_CLOSED, SEGMENT_OPEN};
pub(crate) use member::{Identity, Member, MemberState, Watches};
#[cfg(test)]
pub(crate) use member::{MemberIdentity, Reading};
pub(crate) use parts::{GroupTable, Parts, TopicTable};
pub(crate) use slot::Slot;
pub(crate) use topic::{NAME_MAX, Name, Topic, TopicState};

/// Counts every change of what this module describes.
pub(crate) const LAYOUT_VERSION: u32 = 3;

/// "slabcast" in ASCII, read as a big-endian number.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"slabcast");

/// How many of the last made (and of the last changed) topics the log remembers; a reader further behind looks through the table.
pub(crate) const LOG_LEN: usize = 512;

/// What stands in the segment cannot have been written by this protocol. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The most a member bitmap can hold, and so the upper limit of the option `members`.
pub const MEMBERS_MAX: u32 = 4096;

#[cfg(all(test, not(loom)))]
mod golden {
    use super::header::Identity as SegmentIdentity;
    use super::*;
    use std::mem::{align_of, offset_of, size_of};

    /// The numbers of layout version 3. A failure here means that the picture, this test and
    /// LAYOUT_VERSION must change together.
    #[test]
    fn the_layout_of_version_3_is_what_it_was() {
        assert_eq!(LAYOUT_VERSION, 3);
        // A label never changes: every version reads every other's.
        assert_eq!(offset_of!(Header, identity), 0);
        assert_eq!(offset_of!(SegmentIdentity, magic), 0);
        assert_eq!(offset_of!(SegmentIdentity, layout_version), 8);
        assert_eq!(offset_of!(SegmentIdentity, state), 12);
        assert_eq!((Label::BYTES, offset_of!(SegmentIdentity, place)), (24, 16));
        assert_eq!((size_of::<Header>(), align_of::<Header>()), (576, 64));
        assert_eq!(offset_of!(Header, alloc), 64);
        assert_eq!(offset_of!(Header, tail), 128);
        assert_eq!(offset_of!(Header, registry), 192);
        assert_eq!(offset_of!(Header, bookmarks), 512);
        assert_eq!((size_of::<Member>(), align_of::<Member>()), (256, 64));
        assert_eq!(offset_of!(Member, reading), 64);
        assert_eq!(offset_of!(Member, sleeping), 128);
        assert_eq!(offset_of!(Member, identity), 192);
        assert_eq!((size_of::<Topic>(), align_of::<Topic>()), (64, 64));
        assert_eq!(offset_of!(Topic, sequence), 8);
        assert_eq!(offset_of!(Topic, last), 16);
        assert_eq!((offset_of!(Topic, base), offset_of!(Topic, time_ms)), (48, 56));
        assert_eq!((size_of::<Bookmark>(), align_of::<Bookmark>()), (64, 64));
        assert_eq!((offset_of!(Bookmark, handled), offset_of!(Bookmark, begun)), (8, 16));
        assert_eq!((size_of::<Name>(), size_of::<BookmarkKey>()), (256, 512));
        assert_eq!((size_of::<Group>(), align_of::<Group>()), (384, 64));
        let g =
            Geometry::new(Sizes { slab_bytes: 16 << 20, max_message: 8 << 20, topics: 131072, members: 256 });
        let g = g.expect("the default sizes");
        assert_eq!(
            [g.log, g.members, g.buckets, g.ring, g.slab, g.marks, g.topics, g.rows, g.names],
            [4096, 12288, 77824, 602112, 2699264, 19476480, 19492864, 27881472, 36270080]
        );
        assert_eq!([g.bookmarks, g.keys], [69824512, 78213120]);
        assert_eq!([g.groups, g.group_rows, g.total], [145321984, 146894848, 147025920]);
    }
}
