import t from 'tap'
import { opened, readEnvelope, revisionOf, writable } from './envelope.ts'

const record = { kind: 'Node', name: 'n' }

t.test('what this Margay cannot read is empty, says why, may be deleted and not written over', t => {
  for (const { stored, unreadable, newer, refusal } of [
    {
      stored: '{"layout":7,"value":{"a":1},"more":true}',
      unreadable: /^a newer Margay wrote it \(layout 7, this one knows 1\): upgrade this one$/,
      newer: 7,
      refusal: /Node n was written by a newer Margay.*Upgrade this node/,
    },
    ...['not JSON', ''].map(stored => ({
      stored,
      unreadable: /^no Margay wrote it: it is not JSON\. .* delete the record: margayctl datastore delete Node n$/,
      newer: undefined,
      refusal: /Node n was not written by Margay.*delete the record first: margayctl datastore delete Node n$/,
    })),
    ...['null', '5', '[]', '{}', '{"layout":0,"value":1}', '{"layout":"1","value":1}', '{"value":{}}'].map(stored => ({
      stored,
      unreadable: /it is JSON without a layout/,
      newer: undefined,
      refusal: /was not written by Margay/,
    })),
  ]) {
    const entry = opened(record, stored, '12')
    t.match(entry, { value: {}, unreadable }, stored)
    t.equal(entry.newer, newer, stored)
    t.throws(() => writable('Node', 'n', entry.version), { code: 'conflict', message: refusal })
    t.equal(revisionOf(entry.version), '12')
  }
  t.end()
})

t.test('what it wrote itself', t => {
  const stored = '{"layout":1,"write":"w","value":{"a":1}}'
  t.same(opened(record, stored, '12'), { ...record, version: '12', value: { a: 1 } })
  t.equal(readEnvelope(stored)?.write, 'w')
  t.equal(writable('Node', 'n', opened(record, stored, '12').version), '12')
  t.end()
})
