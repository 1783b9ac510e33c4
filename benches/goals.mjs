// What must hold, as issue 4 has it: each goal beside what a run measured.

import { shown } from './report.js'

const INSTALLED = ['redis', 'nats', 'zeromq', 'node-ipc']
const FAN_OUT = ['small object, 1 to 1', 'small object, 1 to 2', 'small object, 1 to 4']
const ONE = 'small object, 1 to 1'
const FOUR = 'small object, 4 to 1'
const MANY = '1,000 topics, 1 to a quarter of 4'
const [KIB, LARGE] = ['1 KiB string, 1 to 1', '64 KiB string, 1 to 1']
const [TRIP, LARGE_TRIP] = ['round trip, small object', 'round trip, 64 KiB string']
const REQUEST = 'request, small object'
const RUST = ['64 B', '1 KiB', '64 KiB']

/** The numbers of a run. */
class Found {
  constructor(rows) {
    this.rows = rows
  }

  get(bench, row, of, measure) {
    return this.rows.find((one) => one.bench === bench && one.row === row && one.of === of && one.measure === measure)
      ?.median
  }

  rival(row, of, measure) {
    return this.get('rivals', row, of, measure)
  }

  /** How many times the rate of it. */
  rate(row, of) {
    return this.rival(row, of, 'rate of slabcast')
  }

  /** How many times the rate of the fastest of those one can install. */
  installed(row) {
    return least(INSTALLED.map((of) => this.rate(row, of)))
  }

  /** Of the Rust core the faster of its two APIs: how many times a rival's rate, with the name of the API. */
  rust(row, of) {
    const apis = ['lent', 'owned'].map((name) => {
      const number = this.get('rust', row, of, name === 'lent' ? 'ratio' : 'ratio of owned')
      return { number, name }
    })
    const there = apis.filter(({ number }) => isThere(number)).sort((a, b) => b.number - a.number)
    return there[0]
  }

  own(bench, row, measure) {
    return this.get(bench, row, 'slabcast', measure)
  }

  /** Of slabcast's own rows. */
  ratio(measure, row, of) {
    return divided(this.rival(row, 'slabcast', measure), this.rival(of, 'slabcast', measure))
  }

  /** All of slabcast's numbers of a measure, of rows that begin so. */
  all(bench, start, measure) {
    return this.rows
      .filter((one) => one.bench === bench && one.row.startsWith(start) && one.measure === measure)
      .map(({ median }) => median)
  }
}

const isThere = (number) => number !== undefined
const least = (numbers) => (numbers.some(isThere) ? Math.min(...numbers.filter(isThere)) : undefined)
/** Of numbers with a name. */
const leastOf = (named) => named.filter(isThere).sort((a, b) => a.number - b.number)[0]
const divided = (one, by) => (isThere(one) && isThere(by) ? one / by : undefined)
/** The dearest by the cheapest. */
const growth = (numbers) => (numbers.length > 0 ? Math.max(...numbers) / Math.min(...numbers) : undefined)

const atLeast = (bound) => (number) => number >= bound
const atMost = (bound) => (number) => number <= bound

const idle = (found, who, measure) => found.get('idle', '1000 subscriptions', who, measure)

/** Row, goal, whether a number holds, the numbers (each has to). */
const GOALS = [
  [
    `small object, 1 / 2 / 4 subscribers`,
    'times the mesh',
    '>= 4',
    atLeast(4),
    (f) => FAN_OUT.map((row) => f.rate(row, 'mesh')),
  ],
  ['', 'times the fastest that one can install', '>= 8', atLeast(8), (f) => FAN_OUT.map((row) => f.installed(row))],
  ['', 'times the relay', '>= 25', atLeast(25), (f) => FAN_OUT.map((row) => f.rate(row, 'relay'))],
  [
    'CPU per delivery, 1 / 2 / 4 subscribers',
    'of the mesh',
    '<= 0.25',
    atMost(0.25),
    (f) => FAN_OUT.map((row) => f.rival(row, 'mesh', 'cpu of slabcast')),
  ],
  [
    'codec against msgpackr, small object',
    'encode, times as fast',
    '>= 2.5',
    atLeast(2.5),
    (f) => [f.get('codec', 'chat message', 'msgpackr', 'encode of slabcast')],
  ],
  [
    '',
    'decode, times as fast',
    '>= 4',
    atLeast(4),
    (f) => [f.get('codec', 'chat message', 'msgpackr', 'decode of slabcast')],
  ],
  [
    'codec, 24 mixed shapes',
    'encode / decode, times as fast',
    '>= 1.5',
    atLeast(1.5),
    (f) => ['encode', 'decode'].map((way) => f.get('codec', '24 mixed shapes', 'msgpackr', `${way} of slabcast`)),
  ],
  ['1 KiB strings', 'times the mesh', '>= 3', atLeast(3), (f) => [f.rate(KIB, 'mesh')]],
  [
    '64 KiB strings',
    'times the mesh / ZeroMQ',
    '>= 3',
    atLeast(3),
    (f) => ['mesh', 'zeromq'].map((of) => f.rate(LARGE, of)),
  ],
  [
    '4 publishers to 1 subscriber',
    "of one publisher's rate",
    '>= 0.8',
    atLeast(0.8),
    (f) => [f.ratio('rate', FOUR, ONE)],
  ],
  ['', 'times the mesh', '>= 4', atLeast(4), (f) => [f.rate(FOUR, 'mesh')]],
  ['1,000 topics over 4 workers, a quarter each', 'times the mesh', '>= 4', atLeast(4), (f) => [f.rate(MANY, 'mesh')]],
  ['', 'CPU per delivery, of one topic to one worker', '<= 1.2', atMost(1.2), (f) => [f.ratio('cpu', MANY, ONE)]],
  [
    'round trip asleep, small, p50 / p99',
    'of the mesh',
    '<= 0.75',
    atMost(0.75),
    (f) => ['p50', 'p99'].map((part) => f.rival(TRIP, 'mesh', `${part} of slabcast`)),
  ],
  [
    '',
    'of BroadcastChannel',
    '<= 1',
    atMost(1),
    (f) => ['p50', 'p99'].map((part) => f.rival(TRIP, 'broadcast-channel', `${part} of slabcast`)),
  ],
  [
    'round trip asleep, 64 KiB, p50 / p99',
    'of the mesh',
    '<= 0.5',
    atMost(0.5),
    (f) => ['p50', 'p99'].map((part) => f.rival(LARGE_TRIP, 'mesh', `${part} of slabcast`)),
  ],
  ['round trip with `spin`', 'p50, us', '<= 5', atMost(5), (f) => [f.rival(TRIP, 'slabcast-spin', 'p50')]],
  [
    'publish to nobody, beyond the encoding',
    'ns',
    '< 100',
    (ns) => ns < 100,
    (f) => [f.own('publish', 'to nobody', 'publish beyond encode')],
  ],
  [
    'publish while another member has 1,000 patterns',
    'of with none',
    '<= 1.1',
    atMost(1.1),
    (f) => [
      divided(f.own('publish', 'beside 1000 patterns', 'publish'), f.own('publish', 'beside 0 patterns', 'publish')),
    ],
  ],
  [
    'publish to 1 / 4 / 16 sleeping members',
    'posts per member and burst of 16',
    '1',
    (posts) => posts <= 1,
    (f) => [1, 4, 16].map((n) => f.own('publish', `to ${n} asleep, burst of 16`, 'posts')),
  ],
  [
    'publish, 1 to 64 readers / 1 to 100,000 topics, each in turn',
    'dearest by cheapest',
    '<= 2',
    atMost(2),
    (f) => [
      growth(
        [1, 4, 16, 64].map((n) => f.own('scale', `publish, ${n} readers of other topics`, 'publish')).filter(isThere),
      ),
      growth(f.all('scale', 'publish', 'to all in turn')),
    ],
  ],
  [
    'a message another wants',
    'CPU ns',
    '< 5',
    (ns) => ns < 5,
    (f) => [f.own('scale', 'a message another wants', 'cpu')],
  ],
  [
    '',
    'wake-ups per million',
    '0',
    (wakes) => wakes === 0,
    (f) => [f.own('scale', 'a message another wants', 'wakes')],
  ],
  [
    'subscribe / unsubscribe (oldest first) 100,000 topics',
    's',
    'seconds: < 5',
    (s) => s < 5,
    (f) =>
      ['subscribe', 'unsubscribe'].map((way) =>
        f.own('scale', '100,000 topics, subscription.unsubscribe(), oldest first', way),
      ),
  ],
  [
    'idle with 1,000 subscriptions',
    'wake-ups per second',
    '<= 1.3',
    atMost(1.3),
    (f) => [idle(f, 'slabcast', 'wake-ups')],
  ],
  ['', 'CPU of ZeroMQ', '<= 1', atMost(1), (f) => [divided(idle(f, 'slabcast', 'cpu'), idle(f, 'zeromq', 'cpu'))]],
  [
    'Rust core, 64 B / 1 KiB / 64 KiB, the faster of `try_recv` (owned) and `try_recv_ref` (lent)',
    "times iceoryx2's throughput",
    '>= 3',
    atLeast(3),
    (f) => RUST.map((row) => f.rust(row, 'iceoryx2')),
  ],
  [
    '',
    "times Aeron IPC's",
    '>= 1',
    atLeast(1),
    (f) => RUST.map((row) => leastOf(['aeron', 'aeron exclusive'].map((of) => f.rust(row, of)))),
  ],
  [
    '',
    'polling round trip, of iceoryx2 / Aeron',
    '<= 1',
    atMost(1),
    (f) => ['iceoryx2', 'aeron'].map((of) => f.get('rust', 'round trip 64 B, polling', of, 'ratio')),
  ],
  [
    'open, creating / attaching',
    'ms',
    '< 10 / < 3',
    (ms, at) => ms < [10, 3][at],
    (f) => ['create', 'attach'].map((what) => f.own('open', 'first open of a process', what)),
  ],
  [
    'an idle bus adds',
    'MiB resident per process',
    '< 2',
    (MiB) => MiB < 2,
    (f) => [divided(f.own('open', 'an attached, idle bus adds', 'together'), 1024)],
  ],
]

const told = (number, name) => (name === undefined ? shown(number) : `${shown(number)} ${name}`)

/** Each goal, what was measured, and whether it holds; undefined: not all of it was measured. */
export function verdicts(rows) {
  const found = new Found(rows)
  return GOALS.map(([row, measure, goal, holds, values]) => {
    const named = values(found).map((one) => (typeof one === 'object' ? one : { number: one }))
    const numbers = named.map(({ number }) => number)
    const isMissed = numbers.some((number, at) => isThere(number) && !holds(number, at))
    return {
      row,
      measure,
      goal,
      measured: named.map(({ number, name }) => (isThere(number) ? told(number, name) : '?')).join(' / '),
      holds: isMissed ? false : numbers.every(isThere) ? true : undefined,
    }
  })
}

const verdict = (holds) => (holds === undefined ? 'not measured' : holds ? 'holds' : '**missed**')

/** For benches/README.md. */
export const goalsTable = (rows) =>
  [
    '| row | measure | goal | measured | |',
    '|---|---|---|---|---|',
    ...verdicts(rows).map(
      ({ row, measure, goal, measured, holds }) =>
        `| ${row} | ${measure} | ${goal} | ${measured} | ${verdict(holds)} |`,
    ),
  ].join('\n')

const SYSTEMS = {
  mesh: 'unix-socket mesh',
  relay: 'cluster relay',
  'process-send': '`process.send`',
  redis: 'Redis',
  nats: 'NATS',
  zeromq: 'ZeroMQ',
  'node-ipc': 'node-ipc',
  'broadcast-channel': 'BroadcastChannel',
}

/** For README.md: how many times as fast, or as cheap, as each. */
export function ratiosTable(rows) {
  const found = new Found(rows)
  const inverse = (number) => divided(1, number)
  const rate = (title, row) => [title, (of) => found.rate(row, of)]
  const lines = [
    rate('small object, 1 subscriber', ONE),
    rate('2 subscribers', FAN_OUT[1]),
    rate('4 subscribers', FAN_OUT[2]),
    rate('4 publishers, 1 subscriber', FOUR),
    rate('1,000 topics, 4 workers, a quarter each', MANY),
    rate('1 KiB string', KIB),
    rate('64 KiB string', LARGE),
    ['CPU per delivery, small object', (of) => inverse(found.rival(ONE, of, 'cpu of slabcast'))],
    ['round trip, small object (p50)', (of) => inverse(found.rival(TRIP, of, 'p50 of slabcast'))],
    ['round trip, 64 KiB string (p50)', (of) => inverse(found.rival(LARGE_TRIP, of, 'p50 of slabcast'))],
    ['request and its answer, small object (p50)', (of) => inverse(found.rival(REQUEST, of, 'p50 of slabcast'))],
  ]
  const cell = (number) => (isThere(number) ? shown(number) : '–')
  return [
    `| slabcast is so many times as fast | ${Object.values(SYSTEMS).join(' | ')} |`,
    `|---|${'---:|'.repeat(Object.keys(SYSTEMS).length)}`,
    ...lines.map(
      ([title, of]) =>
        `| ${title} | ${Object.keys(SYSTEMS)
          .map((system) => cell(of(system)))
          .join(' | ')} |`,
    ),
  ].join('\n')
}
