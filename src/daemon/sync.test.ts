import t from 'tap'
import type { PeerStatus } from '../../bgp/types.ts'
import { waitedFor } from './sync.ts'

const peer = (name: string, fields: Partial<PeerStatus>): PeerStatus =>
  ({ name, state: 'Established', families: ['ipv4-unicast', 'ipv6-unicast'], endOfRib: [], ...fields }) as PeerStatus

const done = peer('done', { endOfRib: ['ipv6-unicast', 'ipv4-unicast'] })
const loading = peer('loading', { endOfRib: ['ipv4-unicast'] })
const down = peer('down', { state: 'Active' })
const refused = peer('refused', { state: 'Active', lastError: 'connection refused' })

t.test('who delays the first sweep, and for how long', async t => {
  for (const c of [
    { name: 'no peers: nobody', peers: [], after: 0, want: [] },
    { name: 'a peer that said everything does not', peers: [done], after: 0, want: [] },
    { name: 'one family is missing', peers: [done, loading], after: 20_000, want: ['End-of-RIB of loading'] },
    { name: 'a peer may still come up', peers: [done, down], after: 14_999, want: ['down to come up'] },
    { name: 'one that refused, not for long', peers: [refused], after: 4_999, want: ['refused to come up'] },
    { name: 'one that refused delays no longer', peers: [refused], after: 5_000, want: [] },
    { name: 'a peer that stays down delays no longer', peers: [done, down], after: 15_000, want: [] },
    { name: 'at the deadline nobody does', peers: [loading, down], after: 60_000, want: [] },
  ])
    t.same(waitedFor(c.peers, c.after), c.want, c.name)
})
