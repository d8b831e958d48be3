import t from 'tap'
import { readStored } from './stored.ts'

const pool = { apiVersion: 'margay.io/v1', kind: 'IPPool', metadata: { name: 'p' }, spec: { cidr: '10.1.0.0/16' } }

t.test('a record that is no resource of its kind is named by its key, with every reason and a next step', t => {
  const next = '; apply it anew, or, if the machine is gone for good, margayctl node decommission zz'
  for (const [value, why] of [
    [{ spec: 5 }, `apiVersion is missing; kind is missing; metadata.name is missing${next}`],
    [null, `null is not a resource${next}`],
    [pool, `it says it is a IPPool${next}`],
  ] as const)
    t.same(readStored('Node', { name: 'zz', value }), { ok: false, object: 'node "zz"', why })
  t.same(readStored('Node', { name: 'zz', value: {}, unreadable: 'it is torn' }), {
    ok: false,
    object: 'node "zz"',
    why: 'it is torn',
  })
  t.match(
    readStored('IPPool', { name: 'zz', value: pool }),
    {
      ok: false,
      object: 'ippool "zz"',
      why: /its metadata\.name is "p".*; apply it anew, or delete it: margayctl delete ippool zz$/,
    },
    'a resource under another name than its own cannot be named as it is shown',
  )
  for (const name of ['', 'Rack_1'])
    t.match(
      readStored('Node', { name, value: {} }),
      { ok: false, why: new RegExp(`no Node can have the name .* margayctl datastore delete Node (''|Rack_1)$`) },
      'no decommission of a node that cannot be',
    )
  t.match(readStored('IPPool', { name: 'p', value: pool }), { ok: true, resource: pool })
  t.end()
})
