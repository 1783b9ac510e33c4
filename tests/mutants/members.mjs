// As mutants.mjs, of who a member is, and of what it is told of others and of itself: each check is left out once.

const attachment = 'src/bus/attachment.rs'
const publishing = 'src/bus/publishing.rs'
const care = 'src/bus/care.rs'
const bus = 'src/bus/mod.rs'
const held = 'src/bus/held.rs'
const membership = 'js/membership.js'
const opening = 'src/bus/opening.rs'
const stall = 'src/bus/stall.rs'

const crash = (file, test) => `node::tests/crash/${file}.test.js::${test}`
const forked = 'rust::fork::a_forked_child_is_refused_and_its_parent_goes_on'
const many = (test) => `node::tests/node/publish-many.test.js::${test}`
const gap = (test) => `node::tests/node/gap.test.js::${test}`

const checks = [
  [
    'fork',
    'not noticed by publish',
    attachment,
    'wait: Duration) -> Result<TopicRef, TopicError> {\n        self.check_process()?;\n',
    'wait: Duration) -> Result<TopicRef, TopicError> {\n',
    forked,
  ],
  [
    'fork',
    'not noticed by subscribe',
    attachment,
    'name: &str) -> Result<Live, TopicError> {\n        self.check_process()?;\n',
    'name: &str) -> Result<Live, TopicError> {\n',
    forked,
  ],
  [
    'fork',
    'not noticed by receive',
    bus,
    '        if self.at.is_forked() {\n            return Err(RecvError::Forked);',
    '        if false {\n            return Err(RecvError::Forked);',
    forked,
  ],
  [
    'fork',
    'not noticed by a publish to the topic of the last',
    bus,
    '            && !self.at.is_forked()\n',
    '',
    forked,
  ],
  [
    'fork',
    'not noticed by unsubscribe',
    bus,
    '            return false;\n        }\n        let Some(topic_ref)',
    '        }\n        let Some(topic_ref)',
    forked,
  ],
  [
    'fork',
    'the copy leaves in the place of its parent',
    attachment,
    '.take().filter(|_| !self.is_forked())',
    '.take()',
    forked,
  ],
  [
    'fork',
    'the child takes its parent’s bus, with its lock',
    opening,
    '        let known = known.filter(|shared| !shared.is_forked());\n',
    '',
    forked,
  ],
  [
    'held',
    'never a writer',
    held,
    'if state.in_use() && inflight != 0 {',
    'if false && inflight != 0 {',
    'rust::frozen',
  ],
  ['held', 'since the last look', held, 'if (self.state, self.at) != (state, at) {', 'if true {', 'rust::frozen'],
  ['held', 'the tick does not look', care, '        self.watch.look(&parts, now_ms());\n', '', 'rust::frozen'],
  [
    'stall',
    'time in which nobody looked counts',
    stall,
    '.min(interval * 2)',
    '',
    crash('stall', 'all stopped together'),
  ],
  [
    'stall',
    'who is not in the way is blamed too',
    stall,
    'let gates = state.is_reading() && low < floor.position.min(line) && cursor < floor.tail;\n            let writes',
    'let gates = state.is_reading() && cursor < floor.tail;\n            let writes',
    'rust::bus::of_two_that_stand_still_only_the_one_in_the_way_is_cut_off',
  ],
  [
    'gap',
    'told to who subscribed after it',
    membership,
    'Math.max(from, before + 1, (asked ?? 0) + 1)',
    'Math.max(from, (asked ?? 0) + 1)',
    gap('who subscribed after a gap is not told'),
  ],
  [
    'gap',
    'a further subscription does not know what came before it',
    attachment,
    '(from, self.reader.numbers_before(&parts, from, &[topic.id])[0])',
    '(from, 0)',
    gap('of a gap that began before it, a further subscription is told its own part'),
  ],
  [
    'gap',
    'told though its topic was left',
    attachment,
    '            self.gaps.retain(|missed| missed.topic != topic.id || missed.group.is_some());\n',
    '',
    'rust::bus::what_was_missed_before_an_unsubscribe_is_not_told_to_the_next_subscription',
  ],
  [
    'nudge',
    'a sleeper that holds the slab is not woken',
    publishing,
    '|who| fanout.nudge(&parts, &shared.place, who);',
    '|who| drop((&fanout, who));',
    'bus::tests::a_sleeper_on_a_quiet_topic_is_woken_to_let_others_pass',
  ],
  [
    'nudge',
    'what is to be passed at once looks like something to drain',
    'src/bus/reader.rs',
    'PASSED_AT_ONCE: u64 = 1 << 16;',
    'PASSED_AT_ONCE: u64 = 1 << 13;',
    'bus::tests::who_wants_none_of_what_came_falls_asleep_after_one_look',
  ],
  [
    'tick',
    'who waits for room does not look',
    'src/bus/mod.rs',
    'if self.look_after().is_err() {',
    'if false && self.look_after().is_err() {',
    'rust::crash::who_waits_for_room_looks_after_the_bus_meanwhile',
  ],
  [
    'many',
    'each of many is published alone',
    'js/hot.js',
    '    return this.calls.publishMany(bytes, lengths)\n',
    '    let end = 0\n    for (const length of lengths) {\n      end += length\n      const status = this.calls.publishFrom(bytes.subarray(end - length, end))\n      if (status !== PUBLISHED) return status\n    }\n    return PUBLISHED\n',
    many('where the slab is full they wait in the outbox together, and come later, in order'),
  ],
  [
    'many',
    'more than may be reserved at once is reserved',
    'src/node/hot.rs',
    '> attachment.max_at_once()',
    '> u64::MAX - 1',
    many('more than half the slab go through the outbox, more than that takes are refused whole'),
  ],
]

export const members = checks.map(([rule, name, file, find, replace, test]) => ({
  rule: `member ${rule}`,
  name,
  file,
  find,
  replace,
  test,
}))
