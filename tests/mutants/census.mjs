// As mutants.mjs, of who and what is on a bus: what is told of it, when, and whose topics keep their places.

const fanout = 'src/bus/fanout.rs'
const subscribers = 'src/registry/subscribers.rs'
const log = 'src/registry/log.rs'
const topics = 'src/registry/topics.rs'
const attachment = 'src/bus/attachment.rs'
const table = 'property::registry::the_table_is_what_a_map_says_whoever_dies_at_whatever_step'
const unit = 'bus::news::tests::what_changed_before_one_who_watches_is_armed_keeps_it_awake'
const node = (test) => `node::tests/node/who-and-what.test.js::${test}`
const woken = node('who watches is woken for each change')

const checks = [
  ['a change of interest is not logged', subscribers, '            self.log_change(id);\n', '', table],
  ['a change cut by a death is not looked for', topics, '        self.skip_changes();\n', '', table],
  [
    'the dead are still subscribed by name',
    subscribers,
    '            if self.parts.named(index)[at].load(Relaxed) & bit != 0 {\n',
    '            if false {\n',
    table,
  ],
  [
    'nobody is posted to who watches',
    fanout,
    'if Watches(member.identity.watches.load(Relaxed)).meets(what) {',
    'if false && Watches(member.identity.watches.load(Relaxed)).meets(what) {',
    woken,
  ],
  [
    'an opener posts to nobody',
    attachment,
    '        fanout.post_watchers(&shared.parts(), &shared.place, Watches::MEMBERS);\n',
    '',
    woken,
  ],
  [
    'who leaves posts to nobody',
    'src/bus/shared.rs',
    '            Fanout::default().post_watchers(&parts, &self.place, Watches::NEWS);\n',
    '',
    woken,
  ],
  ['who leaves does not count as moved', 'src/bus/shared.rs', '            moved(header);\n', '', woken],
  [
    'who subscribes posts to nobody',
    attachment,
    '(Live { topic, from, before }, began || ended)',
    '(Live { topic, from, before }, false)',
    woken,
  ],
  ['a drain does not say that there are news', 'src/node/hot.rs', ' + attachment.has_news() as u32 * NEWS', '', woken],
  ['one that was reaped has not moved', 'src/reap.rs', '    moved(topics.header);\n', '', woken],
  [
    'it has consumed what it drained before its listeners returned',
    'src/bus/reader.rs',
    '        self.delivered.add_all(taken);\n',
    '        self.delivered.add_all(taken);\n        me.reading.consumed.store(position, Release);\n',
    node('each attached thread its process'),
  ],
  [
    'who watches does not look before it sleeps',
    attachment,
    'meets(patterns, &topics, reader, interest) || watching.is_due(header)',
    'meets(patterns, &topics, reader, interest)',
    unit,
  ],
  [
    'a whole log of changes is taken for what it holds',
    log,
    '    if !fits(count) {\n        return None;\n    }\n',
    '',
    node("'interest' in more topics"),
    [{ find: 'fits(counter.load(Acquire)).then_some(ids)', replace: 'Some(ids)' }],
  ],
]

export const census = checks.map(([name, file, find, replace, test, also]) => ({
  rule: 'census',
  name,
  file,
  find,
  replace,
  test,
  also,
}))
