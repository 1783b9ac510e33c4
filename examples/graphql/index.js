'use strict'

// GraphQL over cluster workers, with the package graphql alone: a subscription to any worker is told what is said to any other.
//
//     node examples/graphql [--port 3000] [--workers 3]
//     curl --no-buffer --data 'subscription { said { text, worker } }' http://localhost:3000
//     curl --data 'mutation { say(text: "hello") }' http://localhost:3000

const cluster = require('node:cluster')
const http = require('node:http')
const { text } = require('node:stream/consumers')
const { parseArgs } = require('node:util')

if (cluster.isPrimary) main()
else serve(Number(process.env.GRAPHQL_PORT))

function main() {
  const number = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({ options: { port: number('3000'), workers: number('3') } })
  const fork = () => cluster.fork({ GRAPHQL_PORT: values.port })
  let starting = Number(values.workers)
  for (let i = 0; i < values.workers; i++) fork()
  cluster.on('listening', (_worker, { port }) => {
    if (--starting === 0) console.log(`slabcast graphql: http://localhost:${port}`)
  })
  // One that was killed has a successor; one that failed would fail again.
  cluster.on('exit', (_worker, code) => (code ? process.exit(code) : fork()))
}

function serve(port) {
  const { buildSchema, execute, getOperationAST, parse, subscribe, validate } = require('graphql')
  // Instead of: const { PubSub } = require('graphql-subscriptions')
  const { PubSub } = require('slabcast/graphql')
  const pubsub = new PubSub()

  const schema = buildSchema(`
    type Said { text: String!, worker: Int! }
    type Query { worker: Int! }
    type Mutation { say(text: String!): Boolean! }
    type Subscription { said: Said! }
  `)
  const resolvers = {
    worker: process.pid,
    async say({ text }) {
      await pubsub.publish('SAID', { said: { text, worker: process.pid } })
      return true
    },
    said: () => pubsub.asyncIterableIterator('SAID'),
  }

  async function answer(request, response) {
    const document = parse(await text(request))
    const errors = validate(schema, document)
    if (errors.length > 0) return response.writeHead(400).end(JSON.stringify({ errors }))
    const operation = { schema, document, rootValue: resolvers }
    if (getOperationAST(document)?.operation !== 'subscription')
      return response.end(JSON.stringify(await execute(operation)))
    const results = await subscribe(operation)
    if (results.errors) return response.writeHead(400).end(JSON.stringify(results))
    await stream(results, response)
  }

  // Server-sent events. The first step subscribes: whoever has the headers misses nothing.
  async function stream(results, response) {
    response.on('close', () => results.return())
    let step = results.next()
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', Worker: process.pid })
    response.flushHeaders()
    for (let result = await step; !result.done; result = await step) {
      response.write(`data: ${JSON.stringify(result.value)}\n\n`)
      step = results.next()
    }
  }

  const server = http.createServer((request, response) => {
    answer(request, response).catch(({ message }) => {
      if (response.headersSent) response.destroy()
      else response.writeHead(400).end(JSON.stringify({ errors: [{ message }] }))
    })
  })
  server.listen({ host: '127.0.0.1', port })
}
