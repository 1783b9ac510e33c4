'use strict'

// What the browser tests stand on: the example as a process of its own, pages in a real Chromium as people, and waiting
// for conditions under a watchdog.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { chromium } = require('playwright-core')

const WATCHDOG = 30_000 // ms
const STEP = 20 // ms between two looks
const MAX_HOPS = 60
const root = path.join(__dirname, '..', '..')

async function until(what, look) {
  const end = Date.now() + WATCHDOG
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${WATCHDOG} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, STEP))
  }
}

// ---- processes

function stat(pid) {
  try {
    const [state, parent] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return null
  }
}

// One that ended and waits for its parent to notice has left as well.
function isAlive(pid) {
  const found = stat(pid)
  return found !== null && found.state !== 'Z'
}

function childrenOf(pid) {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((child) => stat(child)?.parent === pid && isAlive(child))
}

function run(args, env = {}) {
  const child = spawn(process.execPath, [path.join('examples', 'chat'), ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chat = { child, pid: child.pid, out: [], err: [], workers: () => childrenOf(child.pid) }
  readline.createInterface({ input: child.stdout }).on('line', (line) => chat.out.push(line))
  readline.createInterface({ input: child.stderr }).on('line', (line) => chat.err.push(line))
  chat.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
  return chat
}

async function startChat(args, env) {
  const chat = run(args, env)
  await until(
    `an address from the chat\n${chat.err.join('\n')}`,
    () => chat.out.length > 0 || chat.child.exitCode !== null,
  )
  const url = /^slabcast chat: (http:\/\/\S+) {2}\(\d+ workers?\)$/.exec(chat.out[0])?.[1]
  if (!url) throw new Error(`no address from the chat: ${[...chat.out, ...chat.err].join('\n')}`)
  return Object.assign(chat, { url })
}

async function stopChat(chat, signal = 'SIGTERM') {
  const pids = [chat.pid, ...chat.workers()]
  if (isAlive(chat.pid)) chat.child.kill(signal)
  await until('the primary and its workers are gone', () => !pids.some(isAlive))
  await chat.ended
}

// ---- the browser and people in it

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const folder of process.env.PATH.split(path.delimiter)) {
      if (fs.existsSync(path.join(folder, name))) return path.join(folder, name)
    }
  }
  throw new Error('No Chromium found: install it (`apt-get install chromium`) or name one by the variable CHROMIUM.')
}

function launch() {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking']
  args.push('--disable-component-update', '--disable-sync')
  return chromium.launch({ executablePath: findChromium(), args })
}

class Person {
  static async come(browser, url, name, room, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    await context.addInitScript(
      (given) => sessionStorage.getItem('name') ?? sessionStorage.setItem('name', given),
      name,
    )
    const page = await context.newPage()
    page.setDefaultTimeout(WATCHDOG)
    const person = new Person(name, page)
    page.on('console', (entry) => entry.type() === 'error' && person.errors.push(entry.text()))
    page.on('pageerror', (error) => person.errors.push(String(error)))
    await page.goto(`${url}/#${room}`)
    await person.isOnline()
    return person
  }

  constructor(name, page) {
    this.name = name
    this.page = page
    this.errors = []
  }

  // Online, and in the list by the worker's own word.
  async isOnline() {
    await this.page.locator('body[data-connection="online"] .card.own .person .you').waitFor({ state: 'attached' })
  }

  async pid() {
    return Number(await this.page.locator('#badge-pid').textContent())
  }

  // A new connection goes to the next worker, so this comes round to each.
  async moveTo(wanted) {
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      if (wanted(await this.pid())) return
      const before = await this.note('came', 'you are back').count()
      await this.page.locator('#hop').click()
      await this.isBackSince(before)
    }
    throw new Error(`${this.name} met no such worker in ${MAX_HOPS} connections`)
  }

  async isBackSince(before) {
    await this.note('came', 'you are back').nth(before).waitFor({ state: 'attached' })
    await this.isOnline()
  }

  async say(text) {
    await this.page.fill('#text', text)
    await this.page.press('#text', 'Enter')
    await this.reads(text)
  }

  async reads(text) {
    await this.message(text).waitFor()
  }

  message(text) {
    return this.page.locator('.message').filter({ has: this.page.locator('.text').getByText(text, { exact: true }) })
  }

  note(kind, text) {
    return this.page.locator(`.note.${kind}`, { hasText: text })
  }

  // [published by, delivered by]
  async routeOf(text) {
    return (await this.message(text).locator('.route .pid').allTextContents()).map(Number)
  }

  async enter(room) {
    await this.page.locator(`.room[data-room="${room}"]`).click()
    await this.page.locator(`.room[data-room="${room}"][aria-current]`).waitFor()
  }

  // The list at the right: pid -> names, as this person sees it.
  async people() {
    const cards = await this.page
      .locator('.card:not([data-state="dead"])')
      .evaluateAll((list) =>
        list.map((card) => [
          Number(card.dataset.pid),
          [...card.querySelectorAll('.person-name')].map((name) => name.textContent).sort(),
        ]),
      )
    return Object.fromEntries(cards)
  }
}

module.exports = { Person, isAlive, launch, root, run, startChat, stopChat, until }
