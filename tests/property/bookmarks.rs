//! The table of bookmarks against a map: random operations, any of which may die at any step. A kept bookmark is found, with what it
//! says; a forgotten one is not; those that are gone make room.

use crate::death::{ANY, dying_at};
use crate::layout::{Bookmark, BookmarkKey, BookmarkTable};
use crate::registry::{Bookmarks, NoBookmark, bookmark_key, name_hash};
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CAPACITY: usize = 6;
const NAMES: u32 = 12;

#[derive(Clone, Debug)]
enum Op {
    Take { name: u32, holder: u32, dies: Option<u32> },
    Handle { name: u32, sequence: u64 },
    Begin { name: u32, sequence: u64 },
    Release { name: u32 },
    Forget { name: u32, dies: bool },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let name = || 0..NAMES;
    let op = prop_oneof![
        4 => (name(), 1..9u32, prop_oneof![3 => Just(None), 1 => (0..6u32).prop_map(Some)])
            .prop_map(|(name, holder, dies)| Op::Take { name, holder, dies }),
        2 => (name(), any::<u64>()).prop_map(|(name, sequence)| Op::Handle { name, sequence }),
        2 => (name(), any::<u64>()).prop_map(|(name, sequence)| Op::Begin { name, sequence }),
        1 => name().prop_map(|name| Op::Release { name }),
        2 => (name(), any::<bool>()).prop_map(|(name, dies)| Op::Forget { name, dies }),
    ];
    proptest::collection::vec(op, 1..200)
}

struct Table {
    head: BookmarkTable,
    buckets: Vec<AtomicU32>,
    all: Vec<Bookmark>,
    keys: Vec<BookmarkKey>,
}

impl Table {
    fn new() -> Table {
        Table {
            head: BookmarkTable { reserved: AtomicU32::new(CAPACITY as u32), ..Default::default() },
            // Two: chains are long.
            buckets: (0..2).map(|_| AtomicU32::new(0)).collect(),
            all: (0..CAPACITY).map(|_| Bookmark::default()).collect(),
            keys: (0..CAPACITY).map(|_| BookmarkKey(std::array::from_fn(|_| AtomicU64::new(0)))).collect(),
        }
    }
    fn bookmarks(&self) -> Bookmarks<'_> {
        Bookmarks { table: &self.head, buckets: &self.buckets, all: &self.all, keys: &self.keys }
    }
}

/// (handled, begun, holder) of what is kept.
type Model = BTreeMap<u32, (u64, u64, u32)>;

fn key_of(name: u32) -> (Vec<u8>, u64) {
    // One holds the beginning of another.
    let key = bookmark_key(b"t", "n".repeat(1 + name as usize).as_bytes());
    let hash = name_hash(&key);
    (key, hash)
}

/// Under the lock: what an attachment does, when nobody living holds it.
fn take(bookmarks: &Bookmarks<'_>, name: u32, holder: u32) -> Result<(u64, u64), NoBookmark> {
    let (key, hash) = key_of(name);
    match bookmarks.find(&key, hash)? {
        Some(index) => Ok(bookmarks.take(index, holder)?),
        None => {
            let index = bookmarks.vacancy()?;
            bookmarks.make(index, &key, hash, name as u64, holder)?;
            Ok((name as u64, name as u64))
        }
    }
}

fn check(bookmarks: &Bookmarks<'_>, model: &Model) {
    for name in 0..NAMES {
        let (key, hash) = key_of(name);
        let found = bookmarks.find(&key, hash).expect("sound").map(|index| {
            let found = bookmarks.get(index).expect("reserved");
            (found.handled.load(Relaxed), found.begun.load(Relaxed), found.holder.load(Relaxed))
        });
        assert_eq!(found, model.get(&name).copied(), "{name}");
    }
}

fn with(bookmarks: &Bookmarks<'_>, name: u32, act: impl FnOnce(&Bookmark)) {
    let (key, hash) = key_of(name);
    if let Some(index) = bookmarks.find(&key, hash).expect("sound") {
        act(bookmarks.get(index).expect("reserved"));
    }
}

proptest! {
    #[test]
    fn bookmarks_agree_with_a_map_whoever_dies(ops in ops()) {
        let table = Table::new();
        let bookmarks = table.bookmarks();
        let mut model = Model::new();
        for op in ops {
            match op {
                Op::Take { name, holder, dies } => {
                    let expected = model.get(&name).copied();
                    let is_full = model.len() == CAPACITY;
                    let done = match dies {
                        Some(nth) => dying_at(ANY, nth, || take(&bookmarks, name, holder)),
                        None => Some(take(&bookmarks, name, holder)),
                    };
                    bookmarks.recover();
                    match (done, expected) {
                        (Some(Err(NoBookmark::Full { capacity })), None) => {
                            prop_assert!(is_full && capacity as usize == CAPACITY);
                        }
                        (Some(Ok(found)), Some((handled, begun, _))) => {
                            prop_assert_eq!(found, (handled, begun));
                            model.insert(name, (handled, begun, holder));
                        }
                        (Some(Ok(found)), None) => {
                            prop_assert_eq!(found, (name as u64, name as u64));
                            model.insert(name, (name as u64, name as u64, holder));
                        }
                        // Of a death all or nothing is there.
                        (None, before) => {
                            let (key, hash) = key_of(name);
                            let is_there = bookmarks.find(&key, hash).expect("sound").is_some();
                            match before {
                                Some((handled, begun, _)) => {
                                    model.insert(name, (handled, begun, holder));
                                }
                                None if is_there => {
                                    model.insert(name, (name as u64, name as u64, holder));
                                }
                                None => {}
                            }
                        }
                        (done, expected) => panic!("{done:?}, {expected:?}"),
                    }
                }
                Op::Handle { name, sequence } => with(&bookmarks, name, |found| {
                    let entry = model.get_mut(&name).expect("it is kept");
                    found.handle(99, 1);
                    if entry.2 != 0 {
                        found.handle(entry.2, sequence);
                        entry.0 = sequence;
                    }
                }),
                Op::Begin { name, sequence } => with(&bookmarks, name, |found| {
                    let entry = model.get_mut(&name).expect("it is kept");
                    found.begin(99, 1);
                    if entry.2 != 0 {
                        found.begin(entry.2, sequence);
                        entry.1 = sequence;
                    }
                }),
                Op::Release { name } => with(&bookmarks, name, |found| {
                    let entry = model.get_mut(&name).expect("it is kept");
                    found.release(entry.2);
                    entry.2 = 0;
                }),
                Op::Forget { name, dies } => with(&bookmarks, name, |found| {
                    let holder = model[&name].2;
                    found.forget(&table.head, 99);
                    if holder == 0 { return; }
                    if dies {
                        dying_at("bookmark: gone", 0, || found.forget(&table.head, holder));
                    } else {
                        found.forget(&table.head, holder);
                    }
                    model.remove(&name);
                }),
            }
            check(&bookmarks, &model);
        }
    }
}
