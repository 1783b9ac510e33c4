// As mutants.mjs, of a topic's past: what is copied of it is whole, and it meets what is live without a hole or a double.

const replay = 'src/bus/replay.rs'
const following = 'js/following.js'
const over = 'model::replay::one_subscribes_from_the_past_while_another_publishes_over_it'
const overBlock = 'model::replay::one_subscribes_from_the_past_while_another_publishes_over_its_first_block'
const cutOff = 'model::replay::one_is_cut_off_while_it_subscribes_from_the_past'
const unit = (test) => `bus::replay::tests::${test}`
const node = (test) => `node::tests/node/replay.test.js::${test}`

const checks = [
  [
    'a header is believed without a look',
    replay,
    '    if !stood(parts, at) {\n        return Ok(None);\n    }\n',
    '',
    over,
  ],
  ['a body is believed without a look', replay, 'stood(parts, at).then_some(body)', 'Some(body)', over],
  ['no fence before the look', replay, '    fence(Acquire);\n', '', over],
  [
    'a frame stands for a block too long',
    replay,
    'at.saturating_add(slab)\n',
    'at.saturating_add(slab + BLOCK as u64)\n',
    overBlock,
  ],
  ['the past goes on past where it is live', replay, 'if link.head.position < from {', 'if true {', over],
  [
    'what is live begins one later',
    replay,
    'if link.head.position < from {',
    'if link.head.position + 1 < from {',
    over,
  ],
  ['the number before is not as found', replay, '                found.before = link.head.sequence;\n', '', cutOff],
  [
    'the number before as found is not kept',
    'src/bus/following.rs',
    '        self.interest.correct(live.topic.id, live.from, found.before);\n',
    '',
    'bus::following::tests::who_is_cut_off_while_it_subscribes_is_told_from_where_its_past_ended',
  ],
  [
    'what is forgotten is called overwritten',
    replay,
    'last.min(base), GapReason::Forgotten',
    'last.min(0), GapReason::Forgotten',
    unit('what_is_lost_is_forgotten_up_to_the_base_and_overwritten_above_it'),
  ],
  [
    'one too many',
    replay,
    'before.saturating_sub(count).saturating_add(1)',
    'before.saturating_sub(count)',
    unit('the_first_asked_for_is_counted_from_the_last'),
  ],
  [
    'an entry of another topic is walked into',
    replay,
    'if link.head.topic != topic {',
    'if false {',
    node('numbers of a topic that the bus has forgotten'),
  ],
  [
    'a gap is told inside subscribe',
    following,
    '    this.#mark = mark\n    this.#goOn()\n',
    '    this.#mark = mark\n    for (const gap of this.#gaps.splice(0)) this.#source.gap(gap)\n    this.#goOn()\n',
    node('what is asked for and overwritten'),
  ],
  [
    'what comes live does not wait',
    'js/receiving.js',
    'const waiting = following ?? subscription[queue]',
    'const waiting = subscription[queue]',
    node('a further subscription to a topic'),
  ],
  [
    'what found no room is not looked for',
    following,
    '} else this.#isBehind = true',
    '}',
    node('live messages behind a long past'),
  ],
  [
    'a cut-off in the past is not noticed',
    'js/receiving.js',
    'entry.following.fallBehind()',
    'void entry.following',
    node('who is cut off in its past'),
  ],
  [
    'an unreferenced past keeps the process alive',
    following,
    'if (this.#source.isReferenced()) setImmediate',
    'if (true) setImmediate',
    node('a past in delivery keeps'),
  ],
  [
    'a loop is given more than it has room for',
    following,
    'if (loop !== undefined && !loop.canTake(parcel.body.length, this.#roused)) {',
    'if (false) {',
    node('messages\\(\\) takes a past'),
  ],
]

export const pasts = checks.map(([name, file, find, replace, test]) => ({
  rule: 'past',
  name,
  file,
  find,
  replace,
  test,
}))

const durableTest = (test) => `node::tests/node/durable.test.js::${test}`
const past = (test) => `rust::past::${test}`
const bookmarks = 'src/registry/bookmarks.rs'
const durable = 'src/bus/durable.rs'
const property = 'property::bookmarks::bookmarks_agree_with_a_map_whoever_dies'

const bookmarkChecks = [
  [
    'handled before the call',
    following,
    '    this.#mark.begin(sequence)\n',
    '    this.#mark.begin(sequence)\n    this.#mark.handle(sequence)\n',
    durableTest('killed inside its listener'),
  ],
  [
    'not said that it begins',
    following,
    '    this.#mark.begin(sequence)\n',
    '',
    durableTest('killed inside its listener'),
  ],
  [
    'never handled',
    following,
    '    this.#mark?.handle(sequence)\n    if (this.#isOver)',
    '    if (this.#isOver)',
    durableTest('the first time it is live'),
  ],
  [
    'the next does not wait for a promise',
    following,
    'if (isThenable(result)) Promise',
    'if (false) Promise',
    durableTest('one at a time: the next waits'),
  ],
  [
    'a turn that was due does not look whether a promise has settled',
    following,
    '    if (this.#isBusy || this.#isOver) return\n    let bytes',
    '    let bytes',
    durableTest('one at a time: also where one listener returned'),
  ],
  [
    'a rejection is not handled',
    following,
    'Promise.resolve(result).finally(() => this.#handled(sequence))',
    'Promise.resolve(result).then(() => this.#handled(sequence))',
    durableTest('a promise that rejects'),
  ],
  [
    'a rejection is swallowed',
    following,
    'Promise.resolve(result).finally(() => this.#handled(sequence))',
    'Promise.resolve(result).then(() => this.#handled(sequence), () => this.#handled(sequence))',
    durableTest('a promise that rejects'),
  ],
  [
    'close forgets',
    'js/bus.js',
    'for (const subscription of subscriptions) subscription[end](false)',
    'for (const subscription of subscriptions) subscription[end](true)',
    durableTest('the first time it is live'),
  ],
  [
    'unsubscribe keeps',
    'js/subscription.js',
    '    this[end](true)\n',
    '    this[end](false)\n',
    durableTest('unsubscribe forgets'),
  ],
  [
    'close leaves before its listener has returned',
    'js/bus.js',
    'await new Promise(setImmediate)\n',
    '{}\n',
    durableTest('close\\(\\) from its listener'),
  ],
  [
    'a message in hand is let go',
    following,
    'if (forget || !this.#isBusy) this.#letGo(forget)',
    'this.#letGo(forget)',
    durableTest('while the thread stays on the bus'),
  ],
  ['a gap is told again', following, '        this.#mark?.handle(gap.to)\n', '', durableTest('it holds nobody back')],
  [
    'what is not heard is not passed',
    following,
    '      this.#mark?.handle(parcel.meta.sequence)\n',
    '',
    durableTest('without echo'),
  ],
  [
    'the living are not asked',
    durable,
    '            self.check_holder(bookmark)?;\n',
    '            let _ = self.check_holder(bookmark);\n',
    durableTest('one at a time'),
  ],
  [
    'the dead hold',
    durable,
    'number == self.publisher.number || self.shared.lives(member, &mut Round::default())',
    'true',
    durableTest('killed inside its listener'),
  ],
  [
    'this thread does not hold',
    durable,
    'number == self.publisher.number || self',
    'number != self.publisher.number && self',
    durableTest('one subscription of a topic and name'),
  ],
  [
    'gone ones make no room',
    bookmarks,
    'bookmark.state.load(Acquire) == Bookmark::GONE)',
    'bookmark.state.load(Acquire) == 7)',
    durableTest('many names'),
  ],
  ['a change is not announced', bookmarks, '        self.table.dirty.store(1, SeqCst);\n', '', property],
  [
    'half an entry stays',
    bookmarks,
    '                bookmark.state.store(Bookmark::GONE, Release);\n            }\n            gone',
    '            }\n            gone',
    property,
  ],
  ['who does not hold it handles', bookmarks, 'self.holder.load(Acquire) == holder && self', 'self', property],
  [
    'memory is not reserved',
    durable,
    '                if bookmarks.wants_memory() {',
    '                if false {',
    durableTest('the first time it is live'),
  ],
  ['a reused entry stays in its chain', bookmarks, '            self.unlink(index, bookmark)?;\n', '', property],
  [
    'who was cut off looks for nothing after the drain',
    'src/bus/mod.rs',
    '        self.catch_up_durables().map_err(|_| RecvError::Corrupt)?;\n        Ok(',
    '        Ok(',
    past('a_durable_subscription_that_is_cut_off_finds_what_the_slab_still_holds_and_is_told_the_rest'),
  ],
  [
    'nor before it, where it noticed while it subscribed',
    'src/bus/mod.rs',
    '        self.catch_up_durables().map_err(|_| RecvError::Corrupt)?;\n        let at',
    '        let at',
    past('a_durable_subscription_beside_others_finds_what_is_its_and_they_are_told_what_they_missed'),
  ],
  [
    'what is told for a pattern is looked for again',
    'src/bus/following.rs',
    '                gap.is_sought = true;\n',
    '',
    past('where_a_pattern_matches_a_durable_subscriptions_topic_too_the_gap_is_told_once_for_both'),
  ],
  [
    'what was found is still counted as lost',
    'src/bus/following.rs',
    '                self.counters.gaps -= 1;\n',
    '',
    past('a_durable_subscription_that_is_cut_off_finds_what_the_slab_still_holds_and_is_told_the_rest'),
  ],
]

export const durables = bookmarkChecks.map(([name, file, find, replace, test]) => ({
  rule: 'durable',
  name,
  file,
  find,
  replace,
  test,
}))
