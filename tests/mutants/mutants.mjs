// Each mutant breaks one rule of the protocol, or one fence, check or order it rests on, and names the test that must
// fail then. `find` stands exactly once in `file`; if it does not, the runner stops: the mutant has gone stale.

const publisher = 'src/bus/publisher.rs'
const reader = 'src/bus/reader.rs'
const spin = 'src/bus/spin.rs'
const fanout = 'src/bus/fanout.rs'
const slab = 'src/slab.rs'
const ring = 'src/ring.rs'
const reap = 'src/reap.rs'
const topics = 'src/registry/topics.rs'
const members = 'src/registry/members.rs'

const floorOne = 'model::floor::a_floor_while_one_publishes_twice'
const floorTwo = 'model::floor::a_floor_while_two_publish'
const floorReaped = 'model::floor::a_floor_while_the_dead_is_reaped_and_replaced'
const floorReaperDies = 'model::floor::a_floor_while_a_reaper_dies'
const lateHelper = 'model::help::a_late_helper_reads_reused_memory'
const retry = 'model::help::a_retry_takes_the_next_number'
const round = 'model::order::two_publishers_and_a_reader_go_round'
const many = 'model::order::one_publishes_two_at_once_beside_another_that_goes_round'
const filled = 'model::order::two_at_once_fill_the_slab_beside_another_that_goes_round'
const death = 'model::order::the_survivors_go_on_when_a_publisher_dies_after_any_step'
const join = 'model::reading::a_reader_joins_while_a_publisher_is_about_to_overwrite'
const joinTwo = 'model::reading::a_reader_joins_while_one_commits_and_another_overwrites'
const closeBehind = 'model::reading::a_publisher_follows_close_behind_a_reader'
const cutOffByAnother = 'model::reading::a_reader_is_cut_off_by_another_than_who_overwrites'
const cutOff = 'model::reading::a_reader_is_cut_off_while_it_drains'
const numbers = 'model::reading::a_subscriber_learns_its_first_number_while_one_publishes'
const numbersTwo = 'model::reading::a_subscriber_learns_its_first_number_while_two_publish'
const sleep = 'model::sleep::a_reader_falls_asleep_while_one_publishes_twice'
const sleepTwo = 'model::sleep::a_reader_falls_asleep_while_two_publish'
const subscribeAsleep = 'model::sleep::a_sleeper_subscribes_to_one_more_topic'
const spins = 'model::sleep::a_reader_spins_and_falls_asleep_while_one_publishes'
const spinsAnew = 'model::sleep::a_sleeper_spins_anew_while_one_publishes_twice'
const lookArmed = 'if look(reader) {\n            reader.disarm(parts);'
const retired = 'model::topics::a_topic_is_retired_while_a_publisher_is_in_flight'
const table = 'property::registry::the_table_is_what_a_map_says_whoever_dies_at_whatever_step'
const reused = 'model::topics::a_helper_is_late_for_a_topic_whose_entry_was_reused'

export const mutants = [
  {
    rule: 'R1',
    name: 'reserve first, announce then',
    file: slab,
    find: 'Ok(_) => return Ok(at),',
    replace: 'Ok(_) => {\n me.inflight.store(at, Release);\n return Ok(at);\n }',
    also: [
      {
        find: '            me.inflight.store(at, Release);\n            announced = true;\n',
        replace: '            announced = true;\n',
      },
    ],
    test: floorOne,
  },
  {
    rule: 'R1',
    name: 'of many at once, the first alone is announced to the end',
    file: publisher,
    find: '            at += frame_bytes(body.len());\n',
    replace: '            at += frame_bytes(body.len());\n            me.inflight.store(0, Release);\n',
    test: filled,
  },
  {
    rule: 'R1',
    name: 'of many at once, room is taken for one',
    file: publisher,
    find: 'bodies.clone().map(|body| frame_bytes(body.len())).sum()',
    replace: 'bodies.clone().take(1).map(|body| frame_bytes(body.len())).sum()',
    test: many,
  },
  {
    rule: 'R1',
    name: 'the reservation does not release the announcement',
    file: slab,
    find: 'compare_exchange(at, at + bytes, AcqRel, Relaxed)',
    replace: 'compare_exchange(at, at + bytes, Acquire, Relaxed)',
    test: floorOne,
  },
  {
    rule: 'R1',
    name: 'Full leaves the announcement standing',
    file: slab,
    find: 'if announced {',
    replace: 'if false && announced {',
    test: round,
  },
  {
    rule: 'R2',
    name: 'a retry keeps its sequence',
    file: ring,
    find: '        loop {\n            let position = self.tail.load(Acquire);\n            let sequence = counter.sequence.load(Acquire).checked_add(1).ok_or(Corrupt)?;\n',
    replace:
      '        let sequence = counter.sequence.load(Acquire) + 1;\n        loop {\n            let position = self.tail.load(Acquire);\n',
    test: retry,
  },
  {
    rule: 'R2',
    name: 'a retry keeps its previous',
    file: ring,
    find: '        loop {\n            let position = self.tail.load(Acquire);\n',
    replace:
      '        let previous = counter.last.load(Acquire);\n        loop {\n            let position = self.tail.load(Acquire);\n',
    also: [
      {
        find: '            let previous = counter.last.load(Acquire);\n            // R2',
        replace: '            // R2',
      },
    ],
    test: retry,
  },
  {
    rule: 'R2',
    name: 'a retry keeps its position',
    file: ring,
    find: '        loop {\n            let position = self.tail.load(Acquire);\n',
    replace:
      '        let first = self.tail.load(Acquire);\n        loop {\n            let position = self.tail.load(Acquire);\n',
    also: [
      {
        find: 'frame.write_place(position, sequence, previous)',
        replace: 'frame.write_place(first, sequence, previous)',
      },
    ],
    test: retry,
  },
  {
    rule: 'commit',
    name: 'who is late for a slot takes it',
    file: ring,
    find: 'slot.compare_exchange(seen, mine.0, AcqRel, Relaxed).is_ok()',
    replace: '{ slot.store(mine.0, crate::sync::Ordering::Release); true }',
    test: round,
  },
  {
    rule: 'help',
    name: 'a late helper moves the tail back',
    file: ring,
    find: 'let _ = self.tail.compare_exchange(position, next, AcqRel, Relaxed);',
    replace: 'self.tail.store(next, crate::sync::Ordering::Release);',
    test: round,
  },
  {
    rule: 'help',
    name: 'a late helper moves the counter back',
    file: ring,
    find: 'let _ = counter.sequence.compare_exchange(sequence.wrapping_sub(1), sequence, AcqRel, Relaxed);',
    replace: 'counter.sequence.store(sequence, crate::sync::Ordering::Release);',
    test: round,
  },
  {
    rule: 'R3',
    name: 'not finalised before the announcement goes',
    file: ring,
    find: '                self.help(position, mine)?;\n                return Ok(position);',
    replace: '                let _ = mine;\n                return Ok(position);',
    test: floorOne,
  },
  {
    rule: 'R3',
    name: 'clearing the announcement does not show the tail',
    file: publisher,
    find: '// R3: only now that the tail is past the last. Release: whoever sees it cleared sees that tail.\n        me.inflight.store(0, Release);',
    replace: 'me.inflight.store(0, Ordering::Relaxed);',
    test: floorOne,
  },
  {
    rule: 'R3',
    name: 'the next announcement hides what the cleared one showed',
    file: slab,
    find: '            me.inflight.store(at, Release);\n',
    replace: '            me.inflight.store(at, Relaxed);\n',
    test: floorOne,
  },
  {
    rule: 'R3',
    name: 'who takes a dead place hides what the reaper showed',
    file: members,
    find: 'member.inflight.store(0, Release);',
    replace: 'member.inflight.store(0, Relaxed);',
    test: floorReaped,
  },
  {
    rule: 'R4',
    name: 'help believes what it read',
    file: ring,
    find: 'if self.tail.load(Acquire) != position {\n            return Ok(());\n        }\n        // Believed',
    replace: '// Believed',
    test: lateHelper,
  },
  {
    rule: 'R4',
    name: 'no fence between the header and the look at the tail',
    file: ring,
    find: '        fence(Acquire);\n        // R4',
    replace: '        // R4',
    test: lateHelper,
  },
  {
    rule: 'R5',
    name: 'a reused entry counts from 0',
    file: topics,
    find: 'topic.sequence.store(self.parts.tail.load(Acquire), Relaxed);',
    replace: 'topic.sequence.store(0, Relaxed);',
    test: reused,
  },
  {
    rule: 'R5',
    name: 'a reused entry begins a new chain',
    file: topics,
    find: '            topic.retired_at.store(0, Relaxed);\n            topic.hash',
    replace:
      '            topic.last.store(0, Relaxed);\n            topic.retired_at.store(0, Relaxed);\n            topic.hash',
    test: reused,
  },
  {
    rule: 'R6',
    name: 'the tail is read before the announcements',
    file: slab,
    find: '        let mut position = self.alloc.load(Acquire);\n        for member',
    replace:
      '        let mut position = self.alloc.load(Acquire);\n        let tail = self.tail.load(Acquire);\n        for member',
    also: [{ find: 'Floor { position, tail: self.tail.load(Acquire) }', replace: 'Floor { position, tail }' }],
    test: floorOne,
  },
  {
    rule: 'R6',
    name: 'alloc is read after the announcements',
    file: slab,
    find: '        let mut position = self.alloc.load(Acquire);\n        for member',
    replace: '        let mut position = u64::MAX;\n        for member',
    also: [
      {
        find: 'Floor { position, tail: self.tail.load(Acquire) }',
        replace: 'Floor { position: position.min(self.alloc.load(Acquire)), tail: self.tail.load(Acquire) }',
      },
    ],
    test: floorOne,
  },
  {
    rule: 'R6',
    name: 'alloc does not show the announcements before it',
    file: slab,
    find: 'let mut position = self.alloc.load(Acquire);',
    replace: 'let mut position = self.alloc.load(Relaxed);',
    test: floorOne,
  },
  {
    rule: 'R6',
    name: 'a cleared announcement does not show the tail',
    file: slab,
    find: 'let inflight = member.inflight.load(Acquire);',
    replace: 'let inflight = member.inflight.load(Relaxed);',
    test: floorOne,
  },
  {
    rule: 'R7',
    name: 'the reaper does not help',
    file: reap,
    find: '    Ring::of(parts).help_at_tail()?;\n',
    replace: '    let _ = Ring::of(parts);\n',
    test: floorReaped,
  },
  {
    rule: 'R7',
    name: 'the reaper helps last',
    file: reap,
    find: '    Ring::of(parts).help_at_tail()?;\n',
    replace: '',
    also: [{ find: '    step("reap: space given back");\n', replace: '    Ring::of(parts).help_at_tail()?;\n' }],
    test: floorReaped,
  },
  {
    rule: 'R7',
    name: 'the reaper keeps the space',
    file: reap,
    find: '    member.inflight.store(0, Release);\n',
    replace: '    let _ = Release;\n',
    test: death,
  },
  {
    rule: 'R7',
    name: 'the place is free before the space is',
    file: reap,
    find: '    step("reap: helped");\n',
    replace: '    detach(member);\n    step("reap: helped");\n',
    test: floorReaperDies,
  },
  {
    rule: 'R8',
    name: 'states before the floor',
    file: slab,
    find: '        let floor = self.floor();\n        // R8',
    replace:
      '        let reading: Vec<bool> = self.members.iter().map(|m| MemberState(m.identity.state.load(Acquire)).is_reading()).collect();\n        let floor = self.floor();\n        // R8',
    also: [
      { find: 'if !MemberState(member.identity.state.load(Acquire)).is_reading() {', replace: 'if !reading[index] {' },
    ],
    test: join,
  },
  {
    rule: 'R8',
    name: 'no fence in limit()',
    file: slab,
    find: '        fence(SeqCst);\n        let alloc',
    replace: '        let alloc',
    test: joinTwo,
  },
  {
    rule: 'R8',
    name: 'no fence in join()',
    file: reader,
    find: '        // R8, with the fence in limit().\n        fence(SeqCst);\n',
    replace: '',
    test: join,
  },
  {
    rule: 'R8',
    name: 'one floor to join by',
    file: reader,
    find: '        fence(SeqCst);\n        self.set_gate(me, Slab::of(parts).floor());\n',
    replace: '        fence(SeqCst);\n',
    test: join,
  },
  {
    rule: 'R9',
    name: 'no fence in arm()',
    file: reader,
    find: "        // Dekker's, with the fence in post(): either the poster sees me asleep, or I see its tail.\n        fence(SeqCst);\n",
    replace: '',
    test: sleep,
  },
  {
    rule: 'R9',
    name: 'no fence before the bitmap',
    file: fanout,
    find: '        fence_after_rmw();\n        for index',
    replace: '        for index',
    test: sleep,
  },
  {
    rule: 'R9',
    name: 'asleep again in the same epoch',
    file: reader,
    find: 'self.epoch = self.epoch.wrapping_add(1);',
    replace: 'self.epoch -= 1;',
    test: sleep,
  },
  {
    rule: 'R9',
    name: 'posted for another epoch is posted for this',
    file: fanout,
    find: '        if self.bell(index).posted == epoch {\n            return;\n        }\n',
    replace: '        if self.bell(index).posted != 0 {\n            return;\n        }\n',
    test: sleep,
  },
  {
    rule: 'R9',
    name: 'a subscription begins without a fence',
    file: reader,
    find: '        // Partner: the fence in post_row(). A publisher that does not see the bit has moved the tail before.\n        fence(SeqCst);\n',
    replace: '',
    test: subscribeAsleep,
  },
  {
    rule: 'R9',
    name: 'no look between arming and sleeping, in the real caller',
    file: spin,
    find: lookArmed,
    replace: 'if false && look(reader) {\n            reader.disarm(parts);',
    test: 'bus::tests::a_sleeper_misses_no_wake_up',
  },
  {
    rule: 'R9 spin',
    name: 'no look after the spin but in it',
    file: spin,
    find: lookArmed,
    replace: 'if !spins && look(reader) {\n            reader.disarm(parts);',
    test: spins,
  },
  {
    rule: 'R9 spin',
    name: 'sleeps unarmed after a spin in vain',
    file: spin,
    find: '        semaphore.empty();\n        step("sleep: emptied");\n',
    replace: '        if spins {\n            return false;\n        }\n        semaphore.empty();\n',
    test: spins,
  },
  {
    rule: 'R9 spin',
    name: 'a sleeper that spins sleeps on in its epoch, with the semaphore emptied',
    file: spin,
    find: '            reader.disarm(parts);\n        }\n        if look(reader) {\n            return true;',
    replace: '        }\n        if look(reader) {\n            return true;',
    also: [{ find: '        reader.arm(parts);\n', replace: '        if !reader.is_armed() { reader.arm(parts); }\n' }],
    test: spinsAnew,
  },
  {
    rule: 'R10',
    name: 'the batch is believed unseen',
    file: reader,
    find: '        if state != self.state {\n            interest',
    replace: '        if false {\n            interest',
    test: cutOff,
  },
  {
    rule: 'R10',
    name: 'no fence between the copy and the look at the state',
    file: reader,
    find: '        // seeing my state changed (limit) and its first byte.\n        fence(Acquire);\n',
    replace: '',
    test: cutOff,
  },
  {
    rule: 'R10',
    name: 'no fence between the reservation and its first byte',
    file: publisher,
    find: '        fence_after_rmw();\n        if topic.state',
    replace: '        if topic.state',
    test: cutOffByAnother,
  },
  {
    rule: 'R10',
    name: 'the cursor moves before the copy',
    file: reader,
    find: '        let mut last_unit = None;\n',
    replace: '        let mut last_unit = None;\n        me.reading.cursor.store(end, Release);\n',
    test: closeBehind,
  },
  {
    rule: 'R10',
    name: 'low moves before the copy',
    file: reader,
    find: '        let mut last_unit = None;\n',
    replace: '        let mut last_unit = None;\n        me.reading.low.store(u64::MAX / 2, Release);\n',
    test: closeBehind,
  },
  {
    rule: 'floor',
    name: 'what is being written does not count',
    file: slab,
    find: 'if inflight != 0 && inflight < position {',
    replace: 'if inflight == 1 && inflight < position {',
    test: floorTwo,
  },
  {
    rule: 'numbers',
    name: 'the number after a gap is the counter, two publishing',
    file: reader,
    find: '            found[at] = sequence.wrapping_sub(1);',
    replace: '            found[at] = sequence;',
    test: numbersTwo,
  },
  {
    rule: 'R9',
    name: 'no fence in arm(), two publishing',
    file: reader,
    find: "        // Dekker's, with the fence in post(): either the poster sees me asleep, or I see its tail.\n        fence(SeqCst);\n",
    replace: '',
    test: sleepTwo,
  },
  {
    rule: 'R12',
    name: 'the topic is not looked at again',
    file: publisher,
    find: '        if topic.state.load(Acquire) != expected {\n            me.inflight',
    replace: '        if false {\n            me.inflight',
    test: retired,
  },
  {
    rule: 'R12',
    name: 'no fence between the reservation and that look',
    file: publisher,
    find: '        fence_after_rmw();\n        if topic.state',
    replace: '        if topic.state',
    test: retired,
  },
  {
    rule: 'R12',
    name: 'no fence between the retirement and its date',
    file: topics,
    find: '            // R12: partner of the fence in publish(), between its reservation and its second look at the state.\n            fence(SeqCst);\n',
    replace: '',
    test: retired,
  },
  {
    rule: 'R12',
    name: 'a retired entry is given away at once',
    file: topics,
    find: 'if floor.position >= topic.retired_at.load(Relaxed) {',
    replace: 'if floor.position != 0 {',
    test: retired,
  },
  {
    rule: 'R12',
    name: 'refused, the announcement stays',
    file: publisher,
    find: '            me.inflight.store(0, Release);\n            return Err(Refused::Moved);',
    replace: '            return Err(Refused::Moved);',
    test: retired,
  },
  {
    rule: 'subscribe',
    name: 'the counter is read after the tail',
    file: reader,
    find: '    if from == tail {\n        return (numbers, found);\n    }',
    replace:
      '    let numbers: Vec<u64> = topics.iter().map(|id| counter(id).unwrap_or(0)).collect();\n    found.clone_from(&numbers);\n    if from == tail {\n        return (numbers, found);\n    }',
    test: numbers,
  },
  {
    rule: 'subscribe',
    name: 'no help before the numbers',
    file: reader,
    find: '    let _ = ring.help_at_tail();\n    let tail',
    replace: '    let tail',
    test: numbers,
  },
  {
    rule: 'subscribe',
    name: 'the counter is the number',
    file: reader,
    find: '    if from == tail {\n        return (numbers, found);\n    }',
    replace: '    if from <= tail {\n        return (numbers, found);\n    }',
    test: numbers,
  },
  {
    rule: 'help',
    name: 'nobody helps with what stands at the tail',
    file: ring,
    find: 'if Slot(seen).lap() == lap {\n                self.help(position, Slot(seen))?;\n                continue;',
    replace:
      'if Slot(seen).lap() == lap {\n                if position > 1 << 40 {\n                    continue;\n                }\n                return Err(Corrupt);',
    test: round,
  },
  {
    rule: 'registry',
    name: 'a change under the lock is not announced',
    file: topics,
    find: 'self.header.registry.dirty.store(1, SeqCst);',
    replace: 'self.header.registry.dirty.store(0, SeqCst);',
    test: table,
  },
  {
    rule: 'registry',
    name: 'a half made entry is left as it is',
    file: topics,
    find: '                topic.state.store(TopicState::new(state.generation(), TopicState::VALID).0, Release);\n            }\n            if state',
    replace: '            }\n            if state',
    test: table,
  },
  {
    rule: 'registry',
    name: 'a topic with subscribers gives its place',
    file: topics,
    find: '&& !self.is_wanted_at(index)',
    replace: '',
    test: table,
  },
  {
    rule: 'registry',
    name: 'a revived topic stays among the retired',
    file: topics,
    find: '                            if slot.load(Relaxed) == index + 1 {\n                                slot.store(0, Relaxed);',
    replace:
      '                            if slot.load(Relaxed) == index + 1 {\n                                slot.store(index + 1, Relaxed);',
    test: table,
  },
  {
    rule: 'registry',
    name: 'the dead stay subscribed',
    file: reap,
    find: '    topics.forget_member(index);\n',
    replace: '    let _ = topics;\n',
    test: table,
  },
  {
    rule: 'R5',
    name: 'an entry given away before is not noted',
    file: topics,
    find: 'registry.evicted.store(1, SeqCst);',
    replace: '',
    test: table,
  },
  {
    rule: 'R5',
    name: 'a reused entry counts from 0 (its numbers go back)',
    file: topics,
    find: 'topic.sequence.store(self.parts.tail.load(Acquire), Relaxed);',
    replace: 'topic.sequence.store(0, Relaxed);',
    test: table,
  },
]
