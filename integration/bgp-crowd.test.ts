// Hostile peers on real TCP, over the loopback interface: connections by the hundred, octets one by one, a reader that
// does not read. The honest session beside them keeps its keepalives.

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Speaker } from '../bgp/index.ts'
import { encodeOpen } from '../bgp/wire/open.ts'
import { keepalive } from '../bgp/wire/header.ts'

const [OURS, HOSTILE, HONEST] = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
const port = 21000 + (process.pid % 9000)

async function until(holds: () => boolean, seconds: number): Promise<boolean> {
  for (let i = 0; i < seconds * 20; i++) {
    if (holds()) return true
    await sleep(50)
  }
  return holds()
}

function dial(): Socket {
  const socket = connect({ host: OURS, port, localAddress: HOSTILE })
  socket.on('error', () => {})
  return socket
}

const hello = encodeOpen({
  asn: 65002,
  holdTime: 3600,
  routerId: 2,
  capabilities: [{ kind: 'fourOctetAs', asn: 65002 }],
})

t.test('a crowd of bad connections: the honest session lives, and the bad peer may come back', async t => {
  const reports: string[] = []
  const us = new Speaker({
    asn: 65001,
    routerId: '1.1.1.1',
    listenPort: port,
    listenAddresses: [OURS],
    peers: {
      hostile: { address: HOSTILE, remoteAs: 65002, passive: true, holdTime: 0, sendHoldTime: 10 },
      honest: { address: HONEST, remoteAs: 65003, passive: true, holdTime: 3 },
    },
  })
  us.on('peer', report => reports.push(report.text))
  const honest = new Speaker({
    asn: 65003,
    routerId: '3.3.3.3',
    listenPort: 0,
    peers: [{ address: OURS, port, localAddress: HONEST, remoteAs: 65001, holdTime: 3, connectRetry: 1 }],
  })
  await us.start()
  await honest.start()
  const peer = (name: string) => us.status().find(one => one.name === name)
  t.ok(await until(() => peer('honest')?.state === 'Established', 10))

  const crowd: Socket[] = []
  for (let i = 0; i < 1000; i++) {
    crowd.push(dial())
    if (i % 50 === 49) await sleep(20)
  }
  for (let tenths = 0; tenths < 45; tenths++) {
    for (const socket of crowd) if (socket.writable) socket.write(Uint8Array.of(255))
    await sleep(100)
  }
  t.equal(peer('honest')?.state, 'Established')
  t.equal(peer('honest')?.flaps, 0, 'three hold times have passed without a missed keepalive')
  const open = crowd.filter(socket => !socket.destroyed && socket.readyState === 'open').length
  t.ok(open <= 2, `${open} of 1000 are still open`)
  t.ok(reports.length < 40, `${reports.length} reports`)
  for (const socket of crowd) socket.destroy()

  const reader = dial()
  reader.pause()
  reader.write(hello)
  reader.write(keepalive)
  t.ok(await until(() => peer('hostile')?.state === 'Established', 10), 'later it is let in')
  const before = process.memoryUsage().arrayBuffers
  let round = 0
  const torn = await until(() => {
    if (round++ % 4 === 0) {
      const list = Array.from({ length: 4000 }, (_, i) => `10.${(round >> 2) & 127}.${i >> 4}.${(i & 15) * 16}/28`)
      us.originate(list.map((prefix, i) => ({ prefix, med: round + i })))
    }
    if (reader.writable) reader.write(keepalive)
    return peer('hostile')?.state !== 'Established'
  }, 45)
  t.ok(torn, 'a peer that does not read is given up')
  t.match(peer('hostile')?.lastError, /has not read for too long/)
  t.ok(process.memoryUsage().arrayBuffers - before < 64 << 20, 'what waited for it took little memory')
  t.equal(peer('honest')?.flaps, 0)
  reader.destroy()
  await honest.stop()
  await us.stop()
})
