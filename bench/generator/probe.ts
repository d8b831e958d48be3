// Packets through the device under test, numbered, and what of them arrives.
//
//     probe.ts send TO,TO,… LINK      from the device: says which packets it has sent, and from which on LINK had no carrier
//     probe.ts receive                says which packets came; ends when its parent asks

import { createSocket } from 'node:dgram'
import { open } from '../../netlink/index.ts'

export const PORT = 9_900
/** Packets a millisecond, about: one to each address in turn. */
export const BURST = 4

export interface Sent {
  readonly packets: number
  /** Number of the first packet that was sent when the loss of the carrier was known. */
  readonly event: number
  /** When each burst of `BURST` packets was sent, in milliseconds since 1970. */
  readonly bursts: readonly number[]
}

const tell = (message: unknown): void => void process.send?.(message)

async function send(addresses: readonly string[], link: string): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>(resolve => socket.bind(0, resolve))
  let packets = 0
  let event = -1
  const bursts: number[] = []
  const netlink = await open()
  await netlink.watch(['link'], change => {
    if (change.type !== 'link.put' || change.link.name !== link || change.link.carrier || event >= 0) return
    event = packets
  })
  const timer = setInterval(() => {
    bursts.push(performance.timeOrigin + performance.now())
    for (let i = 0; i < BURST; i++) {
      const number = Buffer.alloc(4)
      number.writeUInt32BE(packets)
      socket.send(number, PORT, addresses[packets % addresses.length])
      packets++
    }
  }, 1)
  tell('ready')
  process.on('message', () => {
    clearInterval(timer)
    setTimeout(() => tell({ packets, event, bursts } satisfies Sent), 300)
  })
}

async function receive(): Promise<void> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 24 })
  const numbers: number[] = []
  socket.on('message', octets => void numbers.push(octets.readUInt32BE()))
  await new Promise<void>(resolve => socket.bind(PORT, resolve))
  tell('ready')
  process.on('message', () => tell(numbers))
}

if (process.argv[1]?.endsWith('probe.ts')) {
  process.on('disconnect', () => process.exit())
  const [role, addresses = '', link = ''] = process.argv.slice(2)
  await (role === 'send' ? send(addresses.split(','), link) : receive())
}
