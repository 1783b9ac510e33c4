// What one thread asks, and answers to. An answer says what it answers to and who gives it; so does the error of a handler.

import { QUESTIONS, questionOf } from './names.mjs'
import { BY, KIND, now } from './notes.mjs'

/** Handlers of one thread at the most; requests that wait. */
const HANDLERS = 3
const WAITING = 8
const FAILURE = 'E_TORTURE'
/** In ms: nothing takes this long. */
export const LONG = 30_000
const ENDS = {
  ERR_NO_RESPONDERS: BY.NOBODY,
  ERR_TIMEOUT: BY.TIMEOUT,
  ERR_CLOSED: BY.CLOSED,
  ERR_OUTBOX_FULL: BY.FULL,
}
/** Who was cut off, and lost answers, is told at once, however much time its requests have. */
const endOf = ({ code, lost }) => (code === 'ERR_TIMEOUT' && lost > 0 ? BY.LOST : (ENDS[code] ?? -1))

export class Asking {
  #about
  #round
  #notes
  #next
  #owner
  #handlers = new Map()
  #asked = 0
  #waiting = 0
  /** Those who answer when the round is over. */
  #late = []
  #isOver = false

  /**
   * @param {{ about: object, round: object, notes: Notebook, next: () => number }} what as the actor has it
   * @param {{ id: Function, dies: Function, quiet: () => void, fault: Function }} owner `quiet` is told that no request waits
   */
  constructor({ about, round, notes, next }, owner) {
    this.#about = about
    this.#round = round
    this.#notes = notes
    this.#next = next
    this.#owner = owner
    process.on('warning', ({ code }) => code === 'SLABCAST_ANSWER' && notes.note(KIND.UNSENT))
  }

  get isQuiet() {
    return this.#waiting === 0
  }

  /** One of the things it can do, on a bus. */
  any(handle, bus) {
    const what = this.#next()
    if (what < 0.75) this.#ask(bus)
    else if (what < 0.9) this.respond(handle, bus)
    else this.#end([...this.#handlers.keys()][Math.floor(this.#next() * this.#handlers.size)])
  }

  respond(handle, bus) {
    if (this.#handlers.size >= HANDLERS || this.#isOver) return
    const id = this.#owner.id()
    const question = this.#anyQuestion()
    const kind = this.#next()
    const before = now()
    const subscription = bus.respond(questionOf(question), (asked) => this.#serve(id, question, kind, asked))
    this.#notes.note(KIND.RESPONDS, before, now(), id, question)
    this.#handlers.set(id, { subscription, handle })
  }

  /** A handle is about to close, and ends these. */
  endWith(handle) {
    for (const [id, one] of this.#handlers) {
      if (one.handle !== handle) continue
      this.#notes.note(KIND.RESPONDS_NO_MORE, id)
      this.#handlers.delete(id)
    }
  }

  endAll() {
    for (const id of [...this.#handlers.keys()]) this.#end(id)
    this.stop()
  }

  /** Asks no more, and answers what it did not. */
  stop() {
    this.#isOver = true
    for (const answer of this.#late.splice(0)) answer()
  }

  #end(id) {
    const one = this.#handlers.get(id)
    if (!one) return
    this.#notes.note(KIND.RESPONDS_NO_MORE, id)
    this.#handlers.delete(id)
    one.subscription.unsubscribe()
  }

  #serve(id, question, kind, { asker, request, padding }) {
    this.#owner.dies()
    this.#notes.note(KIND.SERVED, id, question, asker, request)
    const answer = {
      request,
      asker,
      actor: this.#about.id,
      responder: id,
      padding: padding.slice(kind * padding.length),
    }
    if (kind < 0.5) return answer
    if (kind < 0.65) throw Object.assign(new Error(JSON.stringify({ ...answer, padding: '' })), { code: FAILURE })
    return new Promise((resolve) => {
      if (kind < 0.92) setTimeout(() => resolve(answer), this.#next() * 20)
      else if (this.#isOver) resolve(answer)
      else this.#late.push(() => resolve(answer))
    })
  }

  async #ask(bus) {
    if (this.#waiting >= WAITING || this.#isOver) return
    const request = ++this.#asked
    const question = this.#anyQuestion()
    // Where nobody is cut off nothing is lost, and every answer comes.
    const timeout = this.#round.bus.stallTimeout === null ? LONG : [20, 200, 1500][Math.floor(this.#next() * 3)]
    const all = this.#next() < 0.3
    const padding = 'x'.repeat(this.#next() < 0.9 ? this.#next() * 300 : this.#next() * (this.#round.maxMessage / 4))
    const message = { asker: this.#about.id, request, padding }
    this.#waiting++
    this.#notes.note(KIND.ASKED, now(), request, question, timeout, all ? 1 : 0)
    try {
      const what = questionOf(question)
      const answers = all
        ? await bus.requestMany(what, message, { timeout })
        : [{ status: 'fulfilled', value: await bus.request(what, message, { timeout }) }]
      const others = answers.filter((answer) => !this.#isAnswer(request, answer))
      const full = others.filter(({ reason }) => reason?.code === 'ERR_OUTBOX_FULL')
      this.#notes.note(KIND.ENDED, request, BY.ANSWERS, others.length, full.length)
    } catch (error) {
      if (this.#isAnswer(request, { status: 'rejected', reason: error })) {
        this.#notes.note(KIND.ENDED, request, BY.ANSWERS, 0)
      } else this.#notes.note(KIND.ENDED, request, endOf(error), 0)
    }
    this.#waiting--
    if (this.#waiting === 0) this.#owner.quiet()
  }

  /** Notes an answer; what is none, but says why there is none, is left to the caller. */
  #isAnswer(request, { status, value, reason }) {
    const isFailure = reason?.code === FAILURE
    if (status === 'rejected' && !isFailure) {
      if (!(reason?.code in ENDS)) this.#owner.fault('a request', reason)
      return false
    }
    const answer = isFailure ? JSON.parse(reason.message) : value
    if (answer.asker !== this.#about.id || answer.request !== request)
      this.#notes.fault(`request ${request} got the answer to request ${answer.request} of actor ${answer.asker}`)
    this.#notes.note(KIND.ANSWERED, request, isFailure ? 1 : 0, answer.actor, answer.responder)
    return true
  }

  #anyQuestion() {
    return Math.floor(this.#next() * QUESTIONS)
  }
}
