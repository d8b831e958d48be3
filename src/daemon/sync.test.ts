import t from 'tap'
import type { PeerStatus } from '../../bgp/types.ts'
import { deferredFor, waitedFor } from './sync.ts'

const both = ['ipv4-unicast', 'ipv6-unicast'] as const
const peer = (name: string, fields: Partial<PeerStatus>): PeerStatus =>
  ({
    name,
    state: 'Established',
    since: 0,
    families: both,
    gracefulRestart: true,
    endOfRib: [],
    awaited: [],
    ...fields,
  }) as PeerStatus

const done = peer('done', { endOfRib: both })
const loading = peer('loading', { endOfRib: ['ipv4-unicast'], awaited: ['ipv6-unicast'] })
const restarting = peer('restarting', {})
const plain = peer('plain', { gracefulRestart: false })
const down = peer('down', { state: 'Active', gracefulRestart: false, families: [] })
const opening = peer('opening', { state: 'OpenConfirm', gracefulRestart: false, families: [] })
const refused = peer('refused', {
  state: 'Active',
  gracefulRestart: false,
  families: [],
  lastError: 'connection refused',
})

t.test('who delays the first sweep, and for how long', async t => {
  for (const c of [
    { name: 'no peers: nobody', peers: [], after: 0, want: [] },
    { name: 'a peer that said everything does not', peers: [done], after: 0, want: [] },
    { name: 'one family is missing', peers: [done, loading], after: 20_000, want: ['End-of-RIB of loading'] },
    { name: 'one that restarts, too, has yet to learn', peers: [restarting], after: 20_000, want: [/restarting/] },
    { name: 'one without graceful restart', peers: [plain], after: 14_999, want: ['End-of-RIB of plain'] },
    { name: 'which may never say so', peers: [plain], after: 15_000, want: [] },
    { name: 'a peer may still come up', peers: [done, down], after: 14_999, want: ['down to come up'] },
    { name: 'a peer that stays down delays no longer', peers: [done, down], after: 15_000, want: [] },
    { name: 'one in the midst of coming up still does', peers: [opening], after: 20_000, want: ['opening to come up'] },
    { name: 'at the deadline nobody does', peers: [loading, restarting, down, opening], after: 60_000, want: [] },
  ]) {
    t.equal(waitedFor(c.peers, c.after).length, c.want.length, c.name)
    t.match(waitedFor(c.peers, c.after), c.want, c.name)
  }
})

t.test('who delays the End-of-RIB of a restarted reflector', async t => {
  for (const c of [
    { name: 'a peer that said everything does not', peers: [done], after: 0, want: [] },
    { name: 'one family is missing', peers: [done, loading], after: 20_000, want: ['End-of-RIB of loading'] },
    { name: 'one that restarts, too, has yet to tell', peers: [restarting], after: 4_999, want: [/restarting/] },
    { name: 'but two that restart do not wait for each other for long', peers: [restarting], after: 5_000, want: [] },
    { name: 'one that may never say so has yet to tell', peers: [plain], after: 4_999, want: [/plain/] },
    { name: 'and is not waited for', peers: [plain], after: 5_000, want: [] },
    { name: 'a peer may still come up', peers: [done, down], after: 14_999, want: ['down to come up'] },
    { name: 'one that refused, not for long', peers: [refused], after: 9_999, want: ['refused to come up'] },
    { name: 'one that refused delays no longer', peers: [refused], after: 10_000, want: [] },
    { name: 'a peer that stays down delays no longer', peers: [done, down], after: 15_000, want: [] },
    { name: 'at the deadline nobody does', peers: [loading, down], after: 60_000, want: [] },
  ]) {
    const names = deferredFor(c.peers, c.after, c.after)
    t.equal(names.length, c.want.length, c.name)
    t.match(names, c.want, c.name)
  }
})
