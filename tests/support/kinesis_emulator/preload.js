// Preloaded into kinesalite (node -r), which can listen on all interfaces only: every server of the process listens on 127.0.0.1,
// on the port LOOPBACK_PORT (0: a free one, to be read from its first line), and the process ends when its stdin is closed,
// so that it never outlives whoever started it. A client that is killed in the middle of a request costs that request only, as with
// Kinesis itself: kinesalite throws there.
'use strict'

const net = require('net')

const listen = net.Server.prototype.listen
const port = Number(process.env.LOOPBACK_PORT || 0)

net.Server.prototype.listen = function (...args) {
  const callback = args.find((arg) => typeof arg === 'function')
  return listen.call(this, { host: '127.0.0.1', port }, callback)
}

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
process.stdin.on('error', () => process.exit(0))

process.on('uncaughtException', (error) => {
  if (error.code === 'ECONNRESET') return
  console.error(error)
  process.exit(1)
})
