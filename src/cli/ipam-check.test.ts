import t from 'tap'
import { parseConfig } from '../api/config.ts'
import { MemoryDatastore } from '../datastore/memory.ts'
import { checkIpam } from './ipam-check.ts'

for (const fix of [false, true])
  t.test(`what nobody looked at does not agree${fix ? ', nor is it put right' : ''}: the daemon is down`, async t => {
    const socket = '/nowhere/margay.sock'
    const context = {
      format: () => 'json' as const,
      config: () => parseConfig(`api: { socket: ${socket} }`, 'margayd.yaml', 'n1'),
      datastore: async () => new MemoryDatastore(),
    }
    const written = t.capture(process.stdout, 'write', () => true)
    const ended: unknown = await checkIpam(context, { fix }).catch((error: unknown) => error)
    written.restore()
    t.match(ended, { exitCode: 1, message: '1 finding' })
    const rows: unknown = JSON.parse(
      written()
        .map(({ args }) => String(args[0]))
        .filter(text => text.startsWith('['))
        .join(''),
    )
    t.match(rows, [
      { where: 'n1', kind: 'not-looked', object: 'pods and routes', state: 'yours', text: /is it running/ },
    ])
  })
