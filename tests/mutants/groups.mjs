// As mutants.mjs, of groups: that one member takes each message, that what is missed is exact, and who is woken.

const group = 'src/bus/group.rs'
const working = 'src/bus/working.rs'
const rows = 'src/registry/groups.rs'
const fanout = 'src/bus/fanout.rs'
const model = (test) => `model::group::${test}`
const unit = (test) => `bus::working::tests::${test}`
const node = (test) => `node::tests/node/groups.test.js::${test}`
const cutAndJoined = model('a_group_is_cut_off_and_joined_again_while_one_takes')

const checks = [
  [
    'who leaves takes with it what the group missed',
    'js/groups.js',
    'this.#owner.gapOfGroup(gap, subscription)',
    'void gap',
    node('who notices what a group missed and leaves it at once tells it'),
  ],
  [
    'with a pattern that matched its topic, what a group missed is forgotten',
    'src/bus/patterns.rs',
    'missed.group.is_some() || ',
    '',
    unit('what_a_group_missed_outlives_a_subscription_of_its_topic_by_a_pattern'),
  ],
  [
    'two take what one does: the cursor is stored',
    group,
    'if gate.cursor.compare_exchange(cursor.0, past.0, AcqRel, Relaxed).is_err() {',
    'gate.cursor.store(past.0, Release);\n        if false {',
    model('two_take_and_one_publishes_over_it'),
  ],
  [
    'what was copied is believed of a group that was cut off',
    group,
    'let is_same = gate.state.load(Acquire) == state.0 &&',
    'let is_same = true ||',
    model('a_group_is_cut_off_and_overwritten_while_one_takes'),
  ],
  [
    'low moves past what is left',
    group,
    'gate.low.fetch_max(floor, Release);',
    'gate.low.fetch_max(floor + 192, Release);',
    model('one_publishes_over_what_another_takes'),
  ],
  [
    'the tail is read after the counter',
    group,
    '        let tail = parts.tail.load(Acquire);\n        let counted = counter.sequence.load(Acquire);\n',
    '        let counted = counter.sequence.load(Acquire);\n        let tail = parts.tail.load(Acquire);\n',
    model('one_publishes_over_what_another_takes'),
  ],
  [
    'who joins again leaves the cursor open',
    group,
    'GroupCursor(gate.cursor.fetch_or(GroupCursor::CLOSED, AcqRel))',
    'GroupCursor(gate.cursor.load(Acquire))',
    cutAndJoined,
  ],
  [
    'the gap begins after what was stored, not after what was taken',
    group,
    'let taken = old.taken(gate.taken.load(Acquire));\n    gate.low',
    'let taken = gate.taken.load(Acquire);\n    let _ = old;\n    gate.low',
    cutAndJoined,
  ],
  [
    'R8: one floor to join by',
    group,
    '    gate.low.store(floor.position, SeqCst);\n    // Held',
    '    // Held',
    model('a_group_begins_while_a_publisher_is_about_to_overwrite'),
    [
      { find: '    let floor = slab.floor();\n', replace: '' },
      {
        find: '    gate.low.store(slab.floor().position, SeqCst);\n',
        replace: '    let floor = slab.floor();\n    gate.low.store(floor.position, SeqCst);\n',
      },
    ],
  ],
  [
    'it is not said before it is taken that a message is not consumed',
    group,
    'let held = hold(me, &seen);',
    'let held = false;',
    unit('what_is_taken_and_not_consumed_is_not_settled'),
  ],
  [
    'groups do not hold the publishers back',
    'src/slab.rs',
    '            if !state.gates() {\n',
    '            if true || !state.gates() {\n',
    model('one_publishes_over_what_another_takes'),
  ],
  [
    'nobody is posted to',
    'src/bus/publishing.rs',
    '        self.fanout.post_groups(&parts, &shared.place, topic.id, position, now);\n',
    '        let _ = position;\n',
    unit('each_message_wakes_one_and_who_takes_one_of_two_wakes_another'),
  ],
  [
    'everybody is posted to',
    fanout,
    '            if self.bell(index).posted == epoch && self.bell(index).poster.is_some() {\n                return true;',
    '            if false {\n                return true;',
    unit('each_message_wakes_one_and_who_takes_one_of_two_wakes_another'),
  ],
  [
    'who is on its way is posted to again',
    fanout,
    'if bell.posted == epoch || bell.is_due {\n                continue;',
    'if bell.is_due {\n                continue;',
    unit('each_message_wakes_one_and_who_takes_one_of_two_wakes_another'),
  ],
  [
    'nothing is handed on',
    working,
    'let woke = counter > head.sequence && self.wake_another(row);',
    'let woke = counter > head.sequence && false;',
    unit('each_message_wakes_one_and_who_takes_one_of_two_wakes_another'),
  ],
  [
    'who leaves hands nothing on',
    working,
    '            self.wake_another(row);\n        }\n        Some(group)\n',
    '        }\n        Some(group)\n',
    unit('who_leaves_hands_on_what_it_was_woken_for'),
  ],
  [
    'who leaves the bus hands nothing on',
    'src/bus/attachment.rs',
    '            self.leave_groups();\n',
    '',
    unit('who_leaves_hands_on_what_it_was_woken_for'),
  ],
  [
    'no second look before it sleeps',
    'src/bus/attachment.rs',
    ' || groups.have_work(&parts)\n',
    '\n',
    unit('who_leaves_hands_on_what_it_was_woken_for'),
    [
      { find: 'patterns, groups, spin, watching', replace: 'patterns, groups: _, spin, watching' },
      { find: 'reader.is_reading() || !groups.is_empty()', replace: 'reader.is_reading()' },
    ],
  ],
  [
    'a row stays when its last member goes',
    rows,
    '            ended |= self.close_group(row).unwrap_or(false);\n',
    '',
    'kill::take: taken, by the only one of a group',
  ],
  [
    'a death in the middle of a change leaves the chains',
    'src/registry/topics.rs',
    '        self.recover_groups();\n',
    '',
    'kill::group: unlinked, by the last of a group',
  ],
  [
    'a topic with a group gives its place',
    'src/registry/subscribers.rs',
    '        self.has_groups(index) || self.parts.named(index)',
    '        self.parts.named(index)',
    node('a group goes with its last member'),
  ],
  [
    'a group is never cut off',
    'src/bus/stall.rs',
    '&& group::cut_off(group, state);',
    '&& false && group::cut_off(group, state);',
    node('a group whose members are all stopped is cut off'),
  ],
  [
    'a group that is being joined is in nobody’s way',
    'src/bus/stall.rs',
    'let gates = state.gates()\n',
    'let gates = state.is_reading()\n',
    'bus::care::tests::who_died_while_it_joined_a_group_is_found_by_whoever_has_no_room',
  ],
  [
    'a group that is being joined is cut off',
    'src/bus/stall.rs',
    'let due = state.is_reading() && timeout',
    'let due = timeout',
    'bus::care::tests::who_died_while_it_joined_a_group_is_found_by_whoever_has_no_room',
  ],
  [
    'what was left of a group is for who comes then',
    working,
    'let is_new = topics.is_group_empty(row);',
    'let is_new = false;',
    unit('what_was_left_of_a_group_is_not_for_who_comes_before_it_is_closed'),
  ],
  [
    'gates are not looked at',
    'src/bus/inspection.rs',
    '        rows(header, parts)\n',
    '        let _ = rows;\n        Ok(())\n',
    unit('garbage_in_a_gate_is_told'),
  ],
]

export const groups = checks.map(([name, file, find, replace, test, also]) => ({
  rule: 'groups',
  name,
  file,
  find,
  replace,
  test,
  also,
}))
