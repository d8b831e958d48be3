import t from 'tap'
import { dump, type Query } from './dump.ts'
import { flag, message as messageType } from './protocol.ts'
import type { NetlinkSocket } from './socket.ts'
import { MessageWriter } from './writer.ts'

// A kernel that answers each dump with the next of these lists of [type, flags, value].
type Answer = readonly (readonly [type: number, flags: number, value: number])[]

function kernel(...answers: Answer[]): { socket: NetlinkSocket; asked: () => number } {
  let asked = 0
  const socket = {
    sequences: () => 1,
    inOrder: (task: () => Promise<unknown>) => task(),
    async submit(_kind: string, _bytes: Uint8Array, onData: (bytes: Uint8Array) => void) {
      for (const [type, flags, value] of answers[Math.min(asked++, answers.length - 1)]) {
        const writer = new MessageWriter()
        writer.begin(type, flags, 1)
        writer.u32(value)
        writer.end()
        onData(writer.bytes)
      }
      return { code: 0, answered: 1 }
    },
  }
  return { socket: socket as unknown as NetlinkSocket, asked: () => asked }
}

const query: Query = (writer, flags, sequence) => {
  writer.begin(18, flags, sequence)
  writer.end()
}
const values = (socket: NetlinkSocket): Promise<number[]> => dump(socket, query, m => m.view.getUint32(m.from, true))

t.test('an interrupted dump is thrown away and made anew', async t => {
  const { socket, asked } = kernel(
    [
      [16, 0, 1],
      [16, flag.dumpInterrupted, 3],
      [messageType.done, flag.dumpInterrupted, 0],
    ],
    [
      [16, 0, 1],
      [16, 0, 2],
      [messageType.done, flag.dumpInterrupted, 0],
    ],
    [
      [16, 0, 1],
      [16, 0, 2],
      [16, 0, 3],
      [messageType.done, 0, 0],
    ],
  )
  t.same(await values(socket), [1, 2, 3])
  t.equal(asked(), 3)
})

t.test('a table that never holds still is an error, not a guess', async t => {
  const { socket, asked } = kernel([
    [16, 0, 1],
    [messageType.done, flag.dumpInterrupted, 0],
  ])
  await t.rejects(values(socket), { code: 'EINTR', message: /changed during each/ })
  t.equal(asked(), 20)
})

t.test('an error at the end of a dump is the dump’s', async t => {
  await t.rejects(
    values(
      kernel([
        [16, 0, 1],
        [messageType.done, 0, -12 >>> 0],
      ]).socket,
    ),
    { code: 'ENOMEM' },
  )
})
