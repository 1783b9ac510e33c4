// As mutants.mjs, of patterns: that no message of a topic that appears is passed (R11), that no name is given away before it
// was read (R12), what a pattern's subscription begins and ends with, and what a glob means.

const patterns = 'src/bus/patterns.rs'
const attachment = 'src/bus/attachment.rs'
const topics = 'src/registry/topics.rs'
const appeared = 'src/registry/appeared.rs'
const glob = 'src/bus/glob.rs'

const model = (test) => `model::patterns::${test}`
const drains = model('a_topic_appears_while_its_patterns_owner_drains')
const sleeps = model('a_topic_appears_while_its_patterns_owner_falls_asleep')
const found = model('another_publishes_first_to_a_topic_that_appears')
const overrun = model('topics_appear_faster_than_their_patterns_owner_looks')
const table = 'property::registry::the_table_is_what_a_map_says_whoever_dies_at_whatever_step'
const unit = (test) => `bus::patterns::tests::${test}`
const rust = (test) => `rust::patterns::${test}`
const node = (test) => `node::tests/node/patterns.test.js::${test}`
const read = node('a topic that only patterns match may lose its place')
const ends = node('after unsubscribe.. no call comes')
const means = 'bus::glob::tests::a_glob_means_what_it_means_in_redis'

const rules = [
  [
    'R11',
    'a drain looks for new topics before it reads the tail',
    patterns,
    '    let tail = reader.tail(&topics.parts);\n    patterns.notice(topics, reader.index(), interest);\n',
    '    patterns.notice(topics, reader.index(), interest);\n    let tail = reader.tail(&topics.parts);\n',
    drains,
  ],
  [
    'R11',
    'a look before sleep does so',
    patterns,
    '    let tail = reader.tail(&topics.parts);\n    patterns.notice(topics, reader.index(), interest) || reader',
    '    let found = patterns.notice(topics, reader.index(), interest);\n    let tail = reader.tail(&topics.parts);\n    found || reader',
    sleeps,
  ],
  [
    'R11',
    'who met a new topic on the way to sleep sleeps',
    patterns,
    'patterns.notice(topics, reader.index(), interest) || reader',
    '(patterns.notice(topics, reader.index(), interest) && false) || reader',
    sleeps,
  ],
  [
    'R11',
    'a topic is valid before it is counted',
    topics,
    '            registry.created.store(created.wrapping_add(1), Release);\n            step("make: counted");\n            topic.state.store(TopicState::new(generation, TopicState::VALID).0, Release);\n',
    '            topic.state.store(TopicState::new(generation, TopicState::VALID).0, Release);\n            step("make: counted");\n            registry.created.store(created.wrapping_add(1), Release);\n',
    found,
  ],
  [
    'R11',
    'a topic counts when it is valid',
    appeared,
    '            break ((count > 0).then_some(last), count);',
    '            let _ = last;\n                break (None::<TopicId>, count);',
    overrun,
  ],
  [
    'R11',
    'nobody is posted to when a topic is made',
    attachment,
    '        let (id, made) = self.find_or_make(name, hash, !wait.is_zero())?;\n        drop(guard);\n        if made {',
    '        let (id, made) = self.find_or_make(name, hash, !wait.is_zero())?;\n        drop(guard);\n        if made && wait.is_zero() {',
    unit('a_sleeper_with_patterns_alone_is_woken_by_each_new_topic'),
  ],
  [
    'R11',
    'no bit is set for a new topic',
    patterns,
    '        topics.set_subscriber(id, me, true);\n        step("notice: subscribed");',
    '        step("notice: subscribed");',
    drains,
  ],
  [
    'R11',
    'a new pattern does not mark retired topics',
    appeared,
    '(state.phase() != TopicState::FREE)',
    '(state.phase() == TopicState::VALID)',
    rust('a_new_pattern_hears_a_topic_whose_place_was_about_to_go'),
  ],
  [
    'R11',
    'what appeared while it was cut off is not looked for',
    attachment,
    '        self.notice();\n        let gaps =',
    '        let gaps =',
    rust('a_stuck_reader_is_told_what_it_missed_of_topics_it_never_saw'),
  ],
  [
    'R11',
    'who subscribes by name does not look for new topics',
    attachment,
    '        self.notice();\n        let shared',
    '        let shared',
    rust('what_appeared_and_was_not_looked_at_is_the_earlier_patterns_alone'),
  ],
  [
    'R11',
    'who adds a pattern does not look for new topics',
    patterns,
    '        self.notice();\n        // From when the lock',
    '        // From when the lock',
    rust('what_appeared_and_was_not_looked_at_is_the_earlier_patterns_alone'),
  ],
  [
    'R12',
    'readers with patterns are not waited for',
    topics,
    'Ok(quiet.into_iter().find(|index| self.is_read(*index)))',
    'Ok(quiet.into_iter().next())',
    table,
  ],
  [
    'R12',
    'of one round the tail counts for the next',
    topics,
    '            registry.quiet_at.store(0, SeqCst);\n',
    '',
    table,
  ],
  [
    'R12',
    'the last message of a topic is not looked for',
    topics,
    '        if topic.sequence.load(Acquire) == topic.base.load(Relaxed) {',
    '        if topic.sequence.load(Acquire) >= topic.base.load(Relaxed) {',
    table,
  ],
  [
    'R12',
    'the tail is read before the topics are quiet',
    topics,
    'if floor.position >= newest && registry',
    'if registry',
    table,
  ],
  [
    'R12',
    'who has not read is not woken',
    attachment,
    '        self.wake_matchers();\n',
    '',
    unit('a_sleeper_whose_patterns_match_nothing_is_woken_where_a_place_is_needed'),
  ],
  [
    'R12',
    'who has not read waits for itself',
    attachment,
    'Err(MakeError::Unread) if waits && self.is_unread() =>',
    'Err(MakeError::Unread) if waits && self.is_unread() && hash == 0 =>',
    node('with a full table a thread with patterns is not stuck'),
  ],
  [
    'pattern',
    'JavaScript keeps the name of an entry that was reused',
    'js/receiving.js',
    '    if (told & REUSED) this.#patterns.epoch++\n    if (told & GAPS)',
    '    if (told & GAPS)',
    read,
  ],
  [
    'pattern',
    'the topic of a reused entry is wanted as before',
    patterns,
    '            Some(_) => self.forget(id.index, interest),\n',
    '            Some(_) => return false,\n',
    read,
  ],
  [
    'pattern',
    'the bit of a topic that is still wanted goes',
    attachment,
    '                if !self.interest.has(id) {',
    '                if true {',
    ends,
  ],
  [
    'pattern',
    'the bits of an ended pattern stay',
    patterns,
    '        self.owed.extend(ended);\n',
    '',
    unit('with_the_last_pattern_go_its_watch_and_its_bits'),
  ],
  [
    'pattern',
    'who has no pattern any more is woken for new topics',
    patterns,
    '            watches.fetch_and(!Watches::PATTERNS.0, SeqCst);\n',
    '            let _ = watches;\n',
    unit('with_the_last_pattern_go_its_watch_and_its_bits'),
  ],
  [
    'pattern',
    'who has only patterns without a topic does not read',
    attachment,
    'if self.interest.is_empty() && self.patterns.is_empty() && self.reader',
    'if self.interest.is_empty() && self.reader',
    rust('a_pattern_that_matches_nothing_yet_goes_on_reading_when_all_else_has_ended'),
  ],
  [
    'pattern',
    'a second reason begins a topic anew',
    'src/bus/interest.rs',
    '        if wanted.from == u64::MAX {',
    '        if true {',
    rust('a_message_comes_once_by_its_name_and_once_by_each_pattern'),
  ],
  [
    'pattern',
    'replies and faces are matched',
    patterns,
    '!name.is_empty() && !name.starts_with(RESERVED)',
    '!name.is_empty()',
    rust('replies_and_faces_are_passed_by'),
  ],
  [
    'pattern',
    'a listener hears what came before it',
    'js/receiving.js',
    'if (position < from || (following === undefined && !subscription[hears](own))) continue',
    'if (following === undefined && !subscription[hears](own)) continue',
    node('one that subscribes by a pattern while it is behind'),
  ],
  ['glob', 'a class is not negated', glob, '*is_in ^= is_not', '*is_in ^= is_not && false', means],
  [
    'glob',
    'a range goes up alone',
    glob,
    'bytes[a.min(b) as usize..=a.max(b) as usize]',
    'bytes[a.min(b) as usize..=b as usize]',
    means,
  ],
  ['glob', 'a topic may go on', glob, 'text.push_str(r"\\z");', '', means],
  ['glob', 'a line end is no byte', glob, '.dot_matches_new_line(true)', '', means],
]

export const patternRules = rules.map(([rule, name, file, find, replace, test]) => ({
  rule,
  name,
  file,
  find,
  replace,
  test,
}))
