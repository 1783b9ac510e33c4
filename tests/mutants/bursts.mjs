// As mutants.mjs, of bursts: whoever is posted to late is posted to, and whoever is not looks once more; who lets messages gather.

const fanout = 'src/bus/fanout.rs'
const gathering = 'src/bus/gathering.rs'
const gathered = (test) => `bus::gathering::tests::${test}`
const unit = (test) => `bus::fanout::tests::${test}`
const node = (test) => `node::tests/node/burst.test.js::${test}`

const checks = [
  [
    'none: every message is posted for',
    fanout,
    'if bell.poster.is_some() && now.since(bell.posted_at) < burst {',
    'if false {',
    unit('in_a_burst_a_sleeper_is_posted_to_for_the_first_message_and_at_the_end'),
  ],
  [
    'a sleeper of long ago waits for the end, too',
    fanout,
    'if bell.poster.is_some() && now.since(bell.posted_at) < burst {',
    'if bell.poster.is_some() {',
    unit('a_sleeper_of_long_ago_is_posted_to_at_once_and_a_long_burst_posts_in_the_middle'),
  ],
  [
    'a long burst has no middle',
    fanout,
    'if !self.due.is_empty() && now.since(self.due_since) >= self.burst {',
    'if false {',
    unit('a_sleeper_of_long_ago_is_posted_to_at_once_and_a_long_burst_posts_in_the_middle'),
  ],
  [
    'whoever waited once is never posted to late again',
    fanout,
    '            self.bell(index).is_due = false;\n',
    '',
    unit('in_a_burst_a_sleeper_is_posted_to_for_the_first_message_and_at_the_end'),
  ],
  [
    'its end is forgotten by who leaves',
    'src/bus/attachment.rs',
    '            self.end_burst();\n',
    '',
    unit('whoever_leaves_in_the_middle_of_a_burst_owes_nothing'),
  ],
  [
    'its end is not told to JavaScript',
    'src/node/hot.rs',
    'attachment.owes_posts() as u32 * POSTS_DUE',
    '0 * POSTS_DUE',
    node('bursts of any length'),
  ],
  [
    'JavaScript ends the first one alone',
    'js/membership.js',
    '    this.#isInBurst = false\n',
    '',
    node('bursts of any length'),
  ],
  [
    'nobody looks once more',
    'js/receiving.js',
    '        this.#linger()\n',
    '',
    node('a publisher that is busy after its last message'),
  ],
  [
    'everybody looks once more, but once',
    'js/receiving.js',
    '    } else this.#again.refresh()\n',
    '    }\n',
    node('a publisher that is busy after its last message'),
  ],
  [
    'who left some for want of room waits for more',
    gathering,
    'self.pause > 0 && !self.has_more',
    'self.pause > 0',
    gathered('who_left_some_for_want_of_room_does_not_wait_for_more'),
  ],
  [
    'an event loop waits no longer than a thread that spins',
    gathering,
    'if self.naps { LONGEST_NAP } else { LONGEST }',
    'LONGEST',
    gathered('who_naps_waits_for_longer'),
  ],
]

export const bursts = checks.map(([name, file, find, replace, test]) => ({
  rule: 'burst',
  name,
  file,
  find,
  replace,
  test,
}))
