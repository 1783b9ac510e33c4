'use strict'

// The program of a worker_thread under test: runs the function it is given as text.

const { workerData } = require('node:worker_threads')

new Function('require', `return ${workerData.work}`)(require)(...workerData.args)
