import t from 'tap'
import { createLog } from './log.ts'

t.test('lines carry level, sentence and fields, and lower levels are left out', async t => {
  const lines: string[] = []
  const log = createLog({ level: 'info', format: 'text', write: line => lines.push(line), now: () => 'T' })
  log.debug('unseen')
  log.warn('session down', { peer: 'tor1', cause: 'hold timer expired', code: 4, nothing: undefined })
  t.same(lines, ['T warn  session down peer=tor1 cause="hold timer expired" code=4'])
})

t.test('JSON lines parse', async t => {
  const lines: string[] = []
  createLog({ level: 'debug', format: 'json', write: line => lines.push(line), now: () => 'T' }).error(
    'a "quoted"\nword',
    { n: 1 },
  )
  t.same(JSON.parse(lines[0]), { time: 'T', level: 'error', text: 'a "quoted"\nword', n: 1 })
})
