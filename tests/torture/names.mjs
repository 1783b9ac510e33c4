// What the topics, patterns, groups and durable subscriptions of a round are called. Which topics a pattern matches is said
// here by their numbers: the oracle knows no globs.

/** What topic number `at` of a round is called. */
export const nameOf = (topic) => `topic:${topic}`
export const topicOf = (name) => Number(name.slice('topic:'.length))

export const PATTERNS = [
  { glob: 'topic:*', matches: () => true },
  { glob: 'topic:?', matches: (topic) => topic < 10 },
  { glob: 'topic:[0-3]', matches: (topic) => topic < 4 },
  { glob: 'topic:[^0-3]', matches: (topic) => topic > 3 && topic < 10 },
  { glob: 't*c:1*', matches: (topic) => topic === 1 || topic > 9 },
  { glob: 'topi[c]:\\5', matches: (topic) => topic === 5 },
  { glob: '*:*2', matches: (topic) => topic % 10 === 2 },
]

/** The topics of a pattern, of so many. */
export const matchedBy = (pattern, topics) =>
  Array.from({ length: topics }, (_, topic) => topic).filter(PATTERNS[pattern].matches)

/** Groups of a topic, and durable subscriptions to it: few, so that they are shared and fought for. */
export const GROUPS = 2
export const DURABLES = 2
export const groupOf = (group) => `group:${group}`
export const groupIn = (name) => Number(name.slice('group:'.length))
export const durableOf = (name) => `durable:${name}`

/** What is asked and answered. */
export const QUESTIONS = 3
export const questionOf = (question) => `ask:${question}`
