// As mutants.mjs, of the checks on what is read from a segment: each is left out once, and the named case must notice.

const reader = 'src/bus/reader.rs'
const slab = 'src/slab.rs'
const ring = 'src/ring.rs'
const topics = 'src/registry/topics.rs'
const members = 'src/registry/members.rs'
const mapping = 'src/segment/mapping.rs'
const inspection = 'src/bus/inspection.rs'
const attachment = 'src/bus/attachment.rs'
const publishing = 'src/bus/publishing.rs'
const care = 'src/bus/care.rs'
const opening = 'src/bus/opening.rs'
const shared = 'src/bus/shared.rs'
const bus = 'src/bus/mod.rs'

const alloc = 'an_alloc_that_went_back_or_stands_on_no_block_or_at_the_end_of_all_positions'
const last = 'the_last_position_and_the_last_sequence_there_are'
const tail = 'a_tail_that_went_back_or_lies_too_far_ahead'
const own = 'my_own_words_changed_by_somebody'
const places = 'places_that_nobody_can_have_left_so'
const numbers = 'numbers_of_members_run_out_or_went_back'
const chain = 'a_chain_that_goes_round_leads_nowhere_or_into_another_bucket'
const retired = 'a_full_table_with_a_retired_list_that_lies'
const entries = 'more_entries_than_there_are'
const lost = 'a_corrupt_bus_is_left_and_says_so_from_then_on'

const checks = [
  ['alloc on a block', slab, 'at.is_multiple_of(BLOCK as u64) && ', '', alloc],
  ['alloc that went back', slab, ' && at >= cached.floor', '', alloc],
  ['alloc at the end', slab, ' && at < SLAB_POSITION_MAX', '', alloc],
  ['alloc, looked at', inspection, '            && alloc.is_multiple_of(BLOCK as u64)\n', '', alloc],
  [
    'alloc below the first slab',
    inspection,
    'alloc.checked_sub(slab_bytes).ok_or(Corrupt)?',
    'alloc.max(slab_bytes) - slab_bytes',
    'an_alloc_below_the_first_there_is',
  ],
  [
    'the frame behind a slot',
    ring,
    'if own != position {',
    'if false && own != position {',
    'a_slot_that_leads_to_another_frame_is_not_finalised',
  ],
  ['the last position', ring, 'position.checked_add(1).ok_or(Corrupt)?', 'position.wrapping_add(1)', last],
  ['the last sequence', ring, 'load(Acquire).checked_add(1).ok_or(Corrupt)?', 'load(Acquire).wrapping_add(1)', last],
  ['a tail behind the cursor', reader, 'let mut torn = tail < self.cursor;', 'let mut torn = false;', tail],
  ['a tail that went back', inspection, '            && tail >= self.tail;', ';', tail],
  ['a tail ahead of alloc', inspection, '            && tail <= used / BLOCK as u64\n', '', tail],
  ['a body too long', reader, ' || head.len as u64 > parts.max_message', '', 'a_body_longer_than_any_message'],
  ['a state that is not mine', reader, 'if self.knows(state) { Drained::Cut }', 'if true { Drained::Cut }', own],
  ['my state, looked at', reader, 'self.knows(MemberState(me.identity.state.load(Acquire)))\n            && ', '', own],
  ['my epoch', reader, '            && me.sleeping.load(Relaxed) == self.epoch\n', '', own],
  ['my gates', reader, '            && (!self.is_reading() || gates == (self.low, self.cursor))\n', '', own],
  ['an announcement in a free place', inspection, 'if member.inflight.load(Acquire) != 0 &&', 'if false &&', places],
  ['a phase there is not', inspection, 'state.phase() <= MemberState::LEAVING\n        && ', '', places],
  ['a number nobody was given', inspection, '        && state.number() as u64 <= attached\n', '', places],
  ['a number of two', inspection, 'numbers.windows(2).any(|pair| pair[0] == pair[1])', 'false', places],
  ['no number', inspection, '        && (state.number() != 0 || !state.in_use())\n', '', places],
  ['numbers that ran out', members, 'u32::try_from(number).ok()', 'Some(number as u32)', numbers],
  ['numbers that went back', members, 'given(member) > attached', 'false && given(member) > attached', numbers],
  [
    'a chain that goes round',
    topics,
    '            link = topic.next.load(Relaxed);\n        }\n        Err(Corrupt)',
    '            link = topic.next.load(Relaxed);\n        }\n        Ok(None)',
    chain,
  ],
  [
    'a chain that leads nowhere',
    topics,
    'let (index, topic) = self.entry(link).ok_or(Corrupt)?;\n            if !std',
    'let Some((index, topic)) = self.entry(link) else { return Ok(None) };\n            if !std',
    chain,
  ],
  [
    'a retired entry that lives',
    topics,
    'TopicState(topic.state.load(Relaxed)).phase() != TopicState::RETIRED\n                || ',
    '',
    retired,
  ],
  [
    'retired in the future',
    topics,
    '\n                || topic.retired_at.load(Relaxed) > self.parts.alloc.load(Acquire)',
    '',
    retired,
  ],
  [
    'a retired entry that is none',
    topics,
    'self.entry(link).ok_or(Corrupt)?;\n            // One',
    'match self.entry(link) { Some(entry) => entry, None => continue };\n            // One',
    retired,
  ],
  [
    'an entry in no chain',
    topics,
    'self.unlink(index, topic)?;',
    'let _ = self.unlink(index, topic);',
    'an_entry_to_reuse_that_stands_in_no_chain',
  ],
  ['more made than reserved', topics, 'made <= reserved && ', '', entries],
  ['more reserved than there are', mapping, 'reserved > self.geometry.sizes.topics || ', '', entries],
  [
    'fewer reserved than known',
    mapping,
    'reserved > self.geometry.sizes.topics || reserved < known',
    'reserved > self.geometry.sizes.topics',
    entries,
  ],
  ['reserving beyond the table', mapping, 'if from >= g.sizes.topics {', 'if false {', entries],
  [
    'no look while full',
    care,
    '        stall_timeout: Option<Duration>,\n    ) -> Result<bool, Corrupt> {\n        self.inspect()?;',
    '        stall_timeout: Option<Duration>,\n    ) -> Result<bool, Corrupt> {',
    'an_announcement_of_mine_that_i_did_not_make_is_told_by_my_next_look',
  ],
  [
    'no look at the tick',
    care,
    '        self.inspect()?;\n        let shared = self.shared.clone();\n        let parts = shared.parts();\n        Ring::of',
    '        let shared = self.shared.clone();\n        let parts = shared.parts();\n        Ring::of',
    'an_announcement_of_mine_that_i_did_not_make_is_told_by_my_next_look',
  ],
  ['no look before subscribing', attachment, '        self.inspect()?;\n        let guard', '        let guard', lost],
  [
    'published on after it was lost',
    publishing,
    '        self.must_be_attached().map_err(|_| Refused::Corrupt)?;\n',
    '',
    'who_left_publishes_no_more',
  ],
  [
    'not left by publish',
    bus,
    'if matches!(result, Err(PublishError::Topic(TopicError::Corrupt))) {',
    'if false {',
    lost,
  ],
  ['not left by receive', bus, 'take_in().inspect_err(|_| self.at.leave())?;', 'take_in()?;', lost],
  ['not left by subscribe', bus, 'if matches!(result, Err(TopicError::Corrupt)) {', 'if false {', lost],
  [
    'another one left for',
    shared,
    '        if is_mine(state) {',
    '        if true || is_mine(state) {',
    'who_leaves_touches_no_place_that_is_another_s_by_now',
  ],
  [
    'a pointer to anything',
    opening,
    '        remove_pointer(place);\n        return Ok(Pointed::Cleared);',
    '        return Err(OpenError::Corrupt("its pointer".into()));',
    'a_pointer_that_names_something_else_makes_room_once_nobody_lives',
  ],
  [
    'no look at the memory of entries',
    mapping,
    '        segment.ensure_topics()?;\n',
    '',
    'a_segment_whose_header_lies_is_not_joined',
  ],
]

export const hostile = checks.map(([name, file, find, replace, test]) => ({
  rule: 'hostile',
  name,
  file,
  find,
  replace,
  test: `fuzz::cases::${test}`,
}))
