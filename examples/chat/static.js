'use strict'

// The page: a few files, read once, nothing from elsewhere.

const fs = require('node:fs')
const path = require('node:path')

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.mjs': 'text/javascript', '.svg': 'image/svg+xml' }
const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
}

const folder = path.join(__dirname, 'page')
const files = new Map(fs.readdirSync(folder).map((name) => [`/${name}`, fs.readFileSync(path.join(folder, name))]))

module.exports = function page(request, response) {
  const [wanted] = request.url.split('?')
  const name = wanted === '/' ? '/index.html' : wanted
  const body = files.get(name)
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (!body || !reads) return response.writeHead(reads ? 404 : 405, HEADERS).end()
  const type = `${TYPES[path.extname(name)]}; charset=utf-8`
  response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': body.length }).end(body)
}
