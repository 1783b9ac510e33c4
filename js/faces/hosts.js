'use strict'

// What faces stand on are optional peers: who has a face and not its host is told what to install.

/**
 * A host, as `load` requires it: there, where bundlers see it.
 * @param {string} face as its sub-path is called
 * @param {string} host as `npm install` takes it, `name@version`
 * @param {() => object} load
 */
function hostOf(face, host, load) {
  try {
    return load()
  } catch (cause) {
    const [name] = host.split('@')
    // Something that the host itself lacks is its own matter.
    if (cause.code !== 'MODULE_NOT_FOUND' || !cause.message.startsWith(`Cannot find module '${name}'`)) throw cause
    const message = `slabcast/${face} needs the package ${name}, which is not installed here: npm install ${host}`
    throw Object.assign(new Error(message, { cause }), { code: cause.code, requireStack: cause.requireStack })
  }
}

module.exports = { hostOf }
