'use strict'

// What parties listen to, emit, and leave in between.

/** Of each filter a listener; and two that are added more than once. */
const listenersTo = (filters) => [
  ...filters.map((filter) => [`of ${filter}`, filter]),
  ['twice', filters[0]],
  ['twice', filters[0]],
  ['of two', filters[1]],
  ['of two', filters[2]],
]

/** All at once, many times. */
const often = (topics) => Array.from({ length: 20 }, () => topics).flat()

const usual = {
  filters: listenersTo('# a/# a/+ a/b +/b + +/+ /+ /# a/+/c a/b/c $SYS/+/heartbeat nobody/#'.split(' ')),
  topics: often('a a/b a/b/c a//c / /a ab ab/b b b/b/b a/ $SYS/x/heartbeat grüße/b'.split(' ')),
  left: [
    ['of #', '#'],
    ['twice', '#'],
    ['of two', 'a/#'],
    ['of a/b', 'a/b'],
    ['of /#', '+/b'],
  ],
}

const LONG = 'x'.repeat(300)

/** Longer than any topic of the bus, no UTF-8, of characters that mean something elsewhere. */
const odd = {
  filters: listenersTo([
    ...`# + +/# ${LONG}/# ${LONG}/+ +/${LONG} ${LONG} #/b a/#/b #/a/# \ud800/# \ud800/+ \udc00 +/\0`.split(' '),
    ...'*/+ a*/+ ? ?/+ [ab]/+ \\/+ \\*/# [/+ a]/# #a/+ #a %/+ a+b/+ $slabcast/+'.split(' '),
  ]),
  topics: often([
    ...` # + #/b +/b ${LONG} ${LONG}y ${LONG}/a ${LONG}/a/b a/${LONG} a/${LONG}/b a/b a/x/y/b b`.split(' '),
    ...'\ud800 \ud800/a \udc00 \udc00/a \ufffd a/\0 */a aa/a a*/a x ? ?/a a a/a b/a [ab]/a'.split(' '),
    ...`\\/a \\*/a \\x/a [/a a]/a #a/b #a %/a %2F/a a+b/a $slabcast/a ${'ü'.repeat(120)} ü/ü`.split(' '),
  ]),
  left: [
    ['of +', '+'],
    ['twice', '#'],
    [`of ${LONG}`, LONG],
  ],
}

/** For the separator '.' and the wildcards '$$' and '**'. */
const dotted = {
  filters: listenersTo('** a.** a.$$ a.b $$.b a.$$.c # +'.split(' ')),
  topics: often('a a.b a.b.c a..c a. .b a/b # + +/b'.split(' ')),
  left: [],
}

module.exports = { dotted, odd, usual }
