// As mutants.mjs, of the option `spin`: that an event loop does not block with a member unarmed, ends with it, and does not look
// for nothing. What R9 asks of a spin stands there.

const spin = 'src/bus/spin.rs'
const turns = 'src/node/turns.rs'
const hot = 'src/node/hot.rs'

const node = (test) => `node::tests/node/spin.test.js::${test}`
const lost = node('no wake-up is lost between a spin of 20 and one of 20, answering at once')
const seldomPosted = node('who spins is hardly ever posted to')

const checks = [
  [
    'the loop may block after a find',
    turns,
    'unsafe { (self.uv.idle_start)(self.idle.handle(), on_idle) == 0 }',
    '(on_idle as *const () as usize != 0)',
    lost,
  ],
  [
    'what a look found is told to nobody',
    hot,
    '        self.found = attachment.fall_asleep(most);\n        self.found',
    '        attachment.fall_asleep(most);\n        false',
    lost,
  ],
  [
    'the loop is kept turning for good',
    turns,
    '            (self.uv.idle_stop)(self.idle.handle());\n',
    '',
    node('the turns of a loop to which no message comes are not spent on looking'),
  ],
  [
    'the handles that look keep the process alive',
    turns,
    '(uv.handle_set_data)(handle, data);\n                (uv.unref)(handle);',
    '(uv.handle_set_data)(handle, data);',
    node('a process that spins for an unref’d subscription ends by itself'),
  ],
  [
    'the handles that look stay open',
    turns,
    'for handle in [self.prepare.handle(), self.idle.handle()] {',
    'for handle in [self.prepare.handle(), self.idle.handle()].into_iter().take(0) {',
    node('threads that spin are started and terminated in a loop'),
  ],
  ['the last handle’s spin counts', 'js/membership.js', 'Math.max(spin, handle.spin)', 'handle.spin', seldomPosted],
  ['the spin of a handle outlives it', 'js/membership.js', '    else this.#spinChanged()\n', '', seldomPosted],
  ['spins in vain go on', spin, 'self.rest = self.next_rest;', '', 'bus::spin::tests::spins_in_vain_become_rare'],
  [
    'a spin reaches as far as it may though finds come early',
    spin,
    'self.reach = (self.reach - self.reach / 8 + took)',
    'self.reach = (self.reach + took)',
    'bus::spin::tests::a_spin_reaches_as_far_as_finds_tend_to_come',
  ],
  [
    'a find counts however late',
    spin,
    'found.filter(|took| *took <= budget.max(Self::REACH_MIN))',
    'found.filter(|_| budget > Duration::ZERO)',
    'bus::spin::tests::a_find_long_after_the_budget_was_none',
  ],
  [
    'who rested does not spin again',
    spin,
    'self.rest = self.rest.saturating_sub(1);',
    '',
    'bus::spin::tests::who_rested_long_spins_again_soon_after_finds_are_back',
  ],
  [
    'a crowd spins',
    spin,
    'others.take(most).count() == most',
    'others.take(most).count() > most',
    node('nobody spins while there are more awake readers than cores'),
  ],
]

export const spins = checks.map(([name, file, find, replace, test]) => ({
  rule: 'spin',
  name,
  file,
  find,
  replace,
  test,
}))
