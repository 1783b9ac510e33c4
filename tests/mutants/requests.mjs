// As mutants.mjs, of requests and loops: nobody who asks waits in vain, and a loop that keeps up misses nothing.

const asks = (test) => `node::tests/node/requests.test.js::${test}`
const loops = (test) => `node::tests/node/loop.test.js::${test}`

const checks = [
  [
    'a death is believed before what the dead had said is heard',
    'js/requests.js',
    'this.#owner.whenRead(() => this.#gone(gone))',
    'this.#gone(gone)',
    asks('a responder that answered and died has answered'),
  ],
  [
    'who has no handler, or several, does not say so',
    'js/responding.js',
    'if (handlers.length !== 1) this',
    'if (false) this',
    asks('who is asked and unsubscribes before it looks says so at once'),
  ],
  [
    'who was asked before the handler came is answered by it',
    'js/responding.js',
    'meta.position >= from && ',
    '',
    asks('who is asked and unsubscribes before it looks says so at once'),
  ],
  [
    'who responds no more is still found',
    'js/responding.js',
    '      this.#owner.setNamed(desk.reading, false, SHORT_WAIT)\n',
    '',
    asks('who has unsubscribed is not asked, busy as it may be'),
  ],
  [
    'who responds again is not found',
    'js/responding.js',
    '      this.#owner.setNamed(desk.reading, true, LOCK_WAIT)\n',
    '',
    asks('who is asked and unsubscribes before it looks says so at once'),
  ],
  [
    'who was opened again is cleared away',
    'js/responding.js',
    'if (desk.closing === closing) this',
    'this',
    asks('while responders come and go all the time, none waits in vain'),
  ],
  [
    'who waits in the outbox counts on those who were there when it was asked',
    'js/publishing.js',
    '    if (accepted) entry.sending?.before()\n',
    '',
    asks('those that wait in the outbox are told when the only one asked is unsubscribed'),
  ],
  [
    'its bus is closed by the message, and it is asked all the same',
    'js/requests.js',
    '    this.#owner.check()\n    const to',
    '    const to',
    asks('what is wrong with it rejects, and nobody is asked'),
  ],
  [
    'the rest of a batch does not wait for a loop that keeps up',
    'js/messages.js',
    'return this.#isRoused && ',
    'return false && ',
    loops('a loop that keeps up loses nothing'),
  ],
  [
    'the oldest stay',
    'js/inbox.js',
    '<= this.#limit',
    '<= Number.POSITIVE_INFINITY',
    loops('a slow loop has no more than it'),
  ],
]

export const requests = checks.map(([name, file, find, replace, test]) => ({
  rule: 'request',
  name,
  file,
  find,
  replace,
  test,
}))
