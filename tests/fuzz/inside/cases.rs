//! One corruption each, and who must notice: what the fuzz targets find only by luck.

use super::segment::{NAMES, Run, SIZES, fresh};
use crate::bus::inside::{Attachment, Inspection, Refused};
use crate::bus::{Drained, Options};
use crate::layout::{Corrupt, Frame, MemberState, Slot};
use crate::registry::{AttachError, MakeError, Newcomer, name_hash};
use crate::ring::Ring;
use crate::segment::Segment;
use crate::sync::Ordering::Relaxed;
use crate::{Bus, OpenError, PublishError, RecvError, TopicError};
use std::iter::once;
use std::time::Duration;

fn on_fresh(act: impl FnOnce(&Segment, Run<'_>)) {
    fresh(|segment| act(segment, Run::new(segment)));
}

#[test]
fn an_alloc_that_went_back_or_stands_on_no_block_or_at_the_end_of_all_positions() {
    for wrong in [|_| 64, |alloc| alloc + 1, |_| u64::MAX, |_| u64::MAX - 63, |_| 1 << 63] {
        on_fresh(|segment, mut run| {
            assert!(run.publish(0, 0, 10).expect("a topic").is_ok());
            let alloc = &segment.header().alloc;
            alloc.store(wrong(alloc.load(Relaxed)), Relaxed);
            assert_eq!(run.publish(0, 0, 10), Some(Err(Refused::Corrupt)));
            assert_eq!(segment.parts().members[0].inflight.load(Relaxed), 0);
            assert_eq!(run.look(0), Err(Corrupt));
        });
    }
}

#[test]
fn an_alloc_below_the_first_there_is() {
    fresh(|segment| {
        let look = || Inspection::default().look(segment.header(), &segment.parts());
        assert_eq!(look(), Ok(()));
        segment.header().alloc.store(64, Relaxed);
        assert_eq!(look(), Err(Corrupt));
    });
}

#[test]
fn a_slot_that_leads_to_another_frame_is_not_finalised() {
    on_fresh(|segment, _| {
        let parts = segment.parts();
        let tail = parts.tail.load(Relaxed);
        let at = |position: u64| &parts.slots[position as usize % parts.slots.len()];
        at(tail).store(at(tail - 1).load(Relaxed), Relaxed);
        assert_eq!(Ring::of(&parts).help_at_tail(), Err(Corrupt));
        assert_eq!(parts.tail.load(Relaxed), tail);
    });
}

#[test]
fn the_last_position_and_the_last_sequence_there_are() {
    on_fresh(|segment, mut run| {
        let parts = segment.parts();
        let topic = parts.topics.get(0).expect("a topic");
        topic.sequence.store(u64::MAX, Relaxed);
        assert_eq!(run.publish(0, 0, 10), Some(Err(Refused::Corrupt)));
        let last = u64::MAX;
        Frame::at(parts.blocks, 0).write_place(last, 1, 0);
        let slot = Slot::new(Slot::lap_of(last, parts.slots.len().trailing_zeros()), 0, 0);
        parts.slots[last as usize % parts.slots.len()].store(slot.0, Relaxed);
        parts.tail.store(last, Relaxed);
        assert_eq!(Ring::of(&parts).help_at_tail(), Err(Corrupt));
    });
}

#[test]
fn a_tail_that_went_back_or_lies_too_far_ahead() {
    on_fresh(|segment, mut run| {
        assert_eq!(run.drain(0), Drained::All);
        segment.header().tail.store(1, Relaxed);
        assert_eq!(run.drain(0), Drained::Corrupt);
    });
    on_fresh(|segment, mut run| {
        assert_eq!(run.look(2), Ok(()));
        segment.header().tail.fetch_sub(1, Relaxed);
        assert_eq!(run.look(2), Err(Corrupt));
        segment.header().tail.store(1 << 20, Relaxed);
        assert_eq!(run.look(2), Err(Corrupt));
        assert_eq!(run.drain(0), Drained::Corrupt);
    });
}

#[test]
fn a_body_longer_than_any_message() {
    on_fresh(|segment, mut run| {
        let parts = segment.parts();
        let slot = Slot(parts.slots[0].load(Relaxed));
        let word = &parts.blocks[slot.unit() as usize % parts.blocks.len()].0[6];
        word.store(SIZES.max_message + 1, Relaxed);
        assert_eq!(run.drain(0), Drained::Corrupt);
    });
}

#[test]
fn my_own_words_changed_by_somebody() {
    let number_of_another = |state: u64| state + (1 << 32);
    let left = |state: u64| MemberState(state).with_phase(MemberState::FREE).0;
    for wrong in [number_of_another, left, |_| 0, |_| u64::MAX] {
        on_fresh(|segment, mut run| {
            let state = &segment.parts().members[0].identity.state;
            state.store(wrong(state.load(Relaxed)), Relaxed);
            assert!(!run.is_sound(0));
            assert_eq!(run.drain(0), Drained::Corrupt);
        });
    }
    on_fresh(|segment, run| {
        let me = &segment.parts().members[0];
        assert!(run.is_sound(0));
        for word in [&me.reading.low, &me.reading.cursor, &me.sleeping.0] {
            let old = word.load(Relaxed);
            word.store(old + 1, Relaxed);
            assert!(!run.is_sound(0));
            word.store(old, Relaxed);
        }
        assert!(run.is_sound(0));
        // Cut off is no corruption.
        let state = &me.identity.state;
        state.store(MemberState(state.load(Relaxed)).with_phase(MemberState::CUT).0, Relaxed);
        assert!(run.is_sound(0));
    });
}

#[test]
fn an_epoch_at_the_end_of_its_numbers() {
    on_fresh(|segment, mut run| {
        segment.parts().members[3].sleeping.store(u64::MAX, Relaxed);
        run.attach();
        run.arm(3);
    });
}

#[test]
fn places_that_nobody_can_have_left_so() {
    let wrong: [fn(&Segment); 6] = [
        |segment| segment.parts().members[3].inflight.store(64, Relaxed),
        |segment| segment.parts().members[3].identity.state.store(MemberState::new(99, 0, 2).0, Relaxed),
        |segment| segment.parts().members[3].identity.state.store(MemberState::new(2, 0, 2).0, Relaxed),
        |segment| segment.parts().members[3].identity.state.store(MemberState::new(0, 0, 1).0, Relaxed),
        |segment| segment.parts().members[1].identity.state.store(MemberState::new(2, 0, 9).0, Relaxed),
        |segment| segment.header().registry.attached.store(1, Relaxed),
    ];
    for wrong in wrong {
        on_fresh(|segment, mut run| {
            assert_eq!(run.look(0), Ok(()));
            wrong(segment);
            assert_eq!(run.look(0), Err(Corrupt));
        });
    }
}

#[test]
fn numbers_of_members_run_out_or_went_back() {
    for attached in [u32::MAX as u64, u64::MAX, 2] {
        on_fresh(|segment, _| {
            segment.header().registry.attached.store(attached, Relaxed);
            let chosen = Newcomer::choose(segment.header(), &segment.parts());
            assert_eq!(chosen.map(|newcomer| newcomer.number), Err(AttachError::Corrupt));
        });
    }
}

#[test]
fn a_chain_that_goes_round_leads_nowhere_or_into_another_bucket() {
    for next in [|index: u32| index + 1, |_| 9999, |index: u32| 2 - index] {
        on_fresh(|segment, run| {
            let topics = segment.parts().topics;
            let name = NAMES[0].as_bytes();
            let id = run.topics().find_locked(name, name_hash(name)).expect("whole").expect("there");
            // Another name of the same bucket, so that the chain is walked to its end.
            let bucket = |hash: u64| hash as usize % segment.buckets().len();
            let same = (0u32..).map(|n| n.to_string());
            let other = same.map(String::into_bytes);
            let other = other
                .into_iter()
                .find(|other| bucket(name_hash(other)) == bucket(name_hash(name)))
                .expect("one");
            assert_eq!(run.topics().find_locked(&other, name_hash(&other)), Ok(None));
            topics.get(id.index).expect("an entry").next.store(next(id.index), Relaxed);
            assert_eq!(run.topics().find_locked(&other, name_hash(&other)), Err(Corrupt));
        });
    }
}

#[test]
fn a_full_table_with_a_retired_list_that_lies() {
    let wrong: [fn(&Segment, usize); 3] = [
        |segment, _| segment.header().registry.retired.0[0].store(9999, Relaxed),
        |segment, _| segment.header().registry.retired.0[0].store(1, Relaxed),
        |segment, at| segment.parts().topics.all[at].retired_at.store(u64::MAX, Relaxed),
    ];
    for wrong in wrong {
        on_fresh(|segment, mut run| {
            for name in 0..SIZES.topics as usize + 1 {
                run.find_or_make(name).expect("there is a place");
            }
            let retired = &segment.header().registry.retired.0;
            let at = retired.iter().map(|slot| slot.load(Relaxed)).find(|link| *link != 0).expect("one");
            wrong(segment, at as usize - 1);
            let (topics, new) = (run.topics(), b"new");
            let made = topics.make(new, name_hash(new));
            assert!(matches!(made, Err(MakeError::Corrupt)), "{made:?}");
        });
    }
}

#[test]
fn an_entry_to_reuse_that_stands_in_no_chain() {
    on_fresh(|segment, mut run| {
        for name in 0..SIZES.topics as usize + 1 {
            run.find_or_make(name).expect("there is a place");
        }
        for bucket in segment.buckets() {
            bucket.store(0, Relaxed);
        }
        let made = run.topics().make(b"new", name_hash(b"new"));
        assert!(matches!(made, Err(MakeError::Corrupt)), "{made:?}");
    });
}

#[test]
fn more_entries_than_there_are() {
    let registry = |segment: &Segment, reserved: u32, made: u32| {
        segment.header().registry.topics_reserved.store(reserved, Relaxed);
        segment.header().registry.topics_made.store(made, Relaxed);
    };
    on_fresh(|segment, run| {
        assert!(segment.ensure_topics().is_ok() && run.topics().is_sound());
        for (reserved, made) in [(SIZES.topics + 1, 2), (u32::MAX, 2), (1, 1)] {
            registry(segment, reserved, made);
            assert!(segment.ensure_topics().is_err());
        }
        registry(segment, u32::MAX, 2);
        assert!(segment.reserve_topics().is_err());
        registry(segment, SIZES.topics, SIZES.topics + 1);
        assert!(!run.topics().is_sound());
    });
}

fn options(name: &str) -> Options {
    let mut options = Options::new(format!("unit-{name}-{}", std::process::id()));
    options.size = SIZES.slab_bytes;
    options
}

#[test]
fn a_full_slab_that_will_never_have_room_is_told() {
    let options = options("full");
    let mut at = Attachment::open(&options).expect("open");
    let mut bus = Bus::open(Options { stall_timeout: None, ..options }).expect("open");
    // An announcement in a place without a member.
    at.segment().parts().members[9].inflight.store(64, Relaxed);
    let error = (0..2000).find_map(|_| bus.publish_raw("t", &[0; 1000]).err()).expect("a full slab");
    assert!(matches!(error, PublishError::Topic(TopicError::Corrupt)), "{error}");
    assert_eq!(at.tick(), Err(Corrupt));
}

#[test]
fn an_announcement_of_mine_that_i_did_not_make_is_told_by_my_next_look() {
    let mut at = Attachment::open(&options("mine")).expect("open");
    assert_eq!(at.tick(), Ok(false));
    at.segment().parts().members[0].inflight.store(64, Relaxed);
    assert_eq!(at.tick(), Err(Corrupt));
    assert_eq!(at.relieve(1, std::time::Instant::now(), Duration::ZERO, None), Err(Corrupt));
}

#[test]
fn a_corrupt_bus_is_left_and_says_so_from_then_on() {
    let options = options("lost");
    let other = Attachment::open(&options).expect("open");
    let places = || {
        let members = other.segment().parts().members;
        members.iter().filter(|m| MemberState(m.identity.state.load(Relaxed)).in_use()).count()
    };
    let spoil = || other.segment().header().tail.store(5 << 10, Relaxed);
    let mend = || other.segment().header().tail.store(0, Relaxed);
    let mut by_publish = Bus::open(options.clone()).expect("open");
    let mut by_receive = Bus::open(options.clone()).expect("open");
    let mut by_subscribe = Bus::open(options.clone()).expect("open");
    by_receive.subscribe("t").expect("subscribe");
    assert_eq!(places(), 4);
    spoil();
    let publish =
        |bus: &mut Bus| matches!(bus.try_publish("t", &1), Err(PublishError::Topic(TopicError::Corrupt)));
    let receive = |bus: &mut Bus| matches!(bus.try_recv(), Err(RecvError::Corrupt));
    let subscribe = |bus: &mut Bus| matches!(bus.subscribe("u"), Err(TopicError::Corrupt));
    assert!(publish(&mut by_publish) && receive(&mut by_receive) && subscribe(&mut by_subscribe));
    assert_eq!(places(), 1, "they have left");
    mend();
    for bus in [&mut by_publish, &mut by_receive, &mut by_subscribe] {
        assert!(publish(bus) && receive(bus) && subscribe(bus));
        assert!(!bus.unsubscribe("never"));
    }
    by_receive.unsubscribe("t");
    assert_eq!(places(), 1);
}

#[test]
fn who_leaves_touches_no_place_that_is_another_s_by_now() {
    let mut at = Attachment::open(&options("place")).expect("open");
    let other = Attachment::open(&options("place")).expect("open");
    let place = &other.segment().parts().members[0];
    // Taken for dead, and its place given away.
    other.segment().header().registry.attached.store(3, Relaxed);
    let theirs = MemberState::new(3, 0, MemberState::READING);
    place.identity.state.store(theirs.0, Relaxed);
    place.inflight.store(64, Relaxed);
    at.leave();
    assert_eq!((place.identity.state.load(Relaxed), place.inflight.load(Relaxed)), (theirs.0, 64));
    place.inflight.store(0, Relaxed);
    place.identity.state.store(0, Relaxed);
}

#[test]
fn a_pointer_that_names_something_else_makes_room_once_nobody_lives() {
    let options = options("pointer");
    let place = crate::segment::Place::new(&options.name, options.mode);
    let bus = Bus::open(options.clone()).expect("open");
    let was = std::fs::read(place.pointer()).expect("it is there");
    std::fs::write(place.pointer(), "../../etc/passwd").expect("written");
    let again = Bus::open(options.clone());
    assert!(matches!(again, Err(OpenError::Corrupt(_))), "{again:?}");
    std::fs::write(place.pointer(), was).expect("written");
    drop(bus);
    // Whoever opens another bus sweeps it away.
    while place.ensure().is_err() || std::fs::write(place.pointer(), [0xff; 5000]).is_err() {}
    Bus::open(options).expect("made anew");
}

#[test]
fn a_segment_whose_header_lies_is_not_joined() {
    let options = options("join");
    let at = Attachment::open(&options).expect("open");
    let id = at.segment().id().to_owned();
    let place = crate::segment::Place::new(&options.name, options.mode);
    let looks = |segment: &Segment| Inspection::default().look(segment.header(), &segment.parts());
    assert_eq!(looks(&Segment::open(&id, &place).expect("whole")), Ok(()));
    at.segment().header().registry.topics_reserved.store(u32::MAX, Relaxed);
    assert!(Segment::open(&id, &place).is_err());
}

#[test]
fn who_left_publishes_no_more() {
    let mut at = Attachment::open(&options("left")).expect("open");
    let other = Attachment::open(&options("left")).expect("open");
    let topic = at.topic("t", Duration::ZERO).expect("a topic");
    at.leave();
    assert_eq!(at.publish_all(topic, 0, once(&[1][..])), Err(Refused::Corrupt));
    assert_eq!(other.segment().header().tail.load(Relaxed), 0);
}
