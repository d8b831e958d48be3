import t from 'tap'
import { namespace } from '../test-namespace.ts'
import { sendBatch } from './batch.ts'
import { flag } from './protocol.ts'
import { NetlinkSocket } from './socket.ts'

const RTM_DELLINK = 17

t.test('sequence numbers wrap without mixing up results', async t => {
  const ns = namespace(t)
  const socket = await NetlinkSocket.open({ netns: ns.path, protocol: 0 })
  t.teardown(() => socket.close())
  socket.sequences(2 ** 32 - 500)
  const indices = Array.from({ length: 1000 }, (_, i) => 1000 + i)
  const outcomes = await sendBatch(socket, indices, (writer, index, sequence) => {
    writer.begin(index % 2 ? RTM_DELLINK : 0, flag.request, sequence) // type 0: nothing is done, only acknowledged
    for (let word = 0; word < 4; word++) writer.u32(word === 1 ? index : 0)
    writer.end()
  })
  t.same(
    outcomes.map(outcome => (outcome.ok ? 'ok' : outcome.errno)),
    indices.map(index => (index % 2 ? 'ENODEV' : 'ok')),
  )
})

t.test('a message whose length is a lie never leaves', async t => {
  const ns = namespace(t)
  const socket = await NetlinkSocket.open({ netns: ns.path, protocol: 0 })
  t.teardown(() => socket.close())
  for (const bytes of ['', '10', '11000000' + '00'.repeat(12), '0f000000' + '00'.repeat(12)])
    await t.rejects(
      socket.submit('batch', Uint8Array.from(Buffer.from(bytes, 'hex')), () => {}),
      { code: 'EINVAL' },
      bytes,
    )
})
