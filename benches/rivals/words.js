'use strict'

/** What one says and another hears, in order: whoever comes first waits. */
class Words {
  #said = []
  #hearer

  put(word) {
    if (this.#hearer === undefined) this.#said.push(word)
    else this.#hearer(word)
    this.#hearer = undefined
  }

  async take() {
    if (this.#said.length > 0) return this.#said.shift()
    return new Promise((resolve) => {
      this.#hearer = resolve
    })
  }
}

module.exports = { Words }
