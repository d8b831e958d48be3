import t from 'tap'
import type { IpamSnapshot, Owner } from '../ipam/index.ts'
import { Drain, tellFor } from './drain.ts'
import { tunnelOwner } from './tunnels.ts'

const pod = (n: number): Owner => ({ network: 'pods', containerId: `c${n}`, ifName: 'eth0' })
const tunnel = tunnelOwner('margay-vxlan4')

/** What IPAM shows of blocks whose addresses those owners have. */
function holding(blocks: Readonly<Record<string, readonly Owner[]>>): IpamSnapshot {
  const all = Object.entries(blocks)
  return {
    node: 'n1',
    blocks: all.map(([cidr, { length: used }]) => ({ cidr, pool: 'default', size: 64, used })),
    addresses: all.flatMap(([block, owners]) =>
      owners.map((owner, i) => ({
        ...owner,
        block,
        address: block.replace('0/26', String(i)),
        pool: 'default',
        since: '',
      })),
    ),
    problems: [],
  }
}

/** A node with an empty block and one with two pods, on a clock that the test moves. */
function node() {
  const world = { now: 0, changes: 0, held: holding({ '10.42.0.0/26': [pod(1), pod(2)], '10.42.1.0/26': [] }) }
  const drain = new Drain({
    node: 'n1',
    now: () => world.now,
    ipam: { show: () => world.held },
    onChange: () => world.changes++,
  })
  t.teardown(() => drain.close())
  return { world, drain }
}

t.test('peers get time, then what is empty goes, then what becomes empty', t => {
  const { world, drain } = node()
  t.equal(drain.status, undefined)
  t.equal(drain.obstacle, undefined)
  drain.set('WaitForPods')
  t.match(drain.obstacle, /takes no new pods; margayctl node undrain n1/)
  t.match(drain.status, {
    phase: 'telling',
    announced: ['10.42.0.0/26', '10.42.1.0/26'],
    text: /in 10 s blocks without pods/,
  })
  t.same(drain.withdrawn, [], 'nothing is withdrawn while peers still send here')
  world.now = tellFor
  drain.look()
  t.same(drain.withdrawn, ['10.42.1.0/26'])
  t.match(drain.status, {
    phase: 'waiting',
    announced: ['10.42.0.0/26'],
    text: /10\.42\.0\.0\/26 \(2 pods\).*--force/,
  })
  world.held = holding({ '10.42.0.0/26': [], '10.42.1.0/26': [] })
  drain.look()
  t.match(drain.status, { phase: 'drained', announced: [], text: /^it announces nothing/ })
  t.equal(world.changes, 2)
  drain.look()
  t.equal(world.changes, 2, 'what stays as it is is told once')
  drain.set(undefined)
  t.same(drain.withdrawn, [], 'all of it comes back at once')
  t.equal(drain.obstacle, undefined)
  t.end()
})

t.test('by force pods are cut off, but peers get their time all the same', t => {
  const { world, drain } = node()
  drain.set('Now')
  t.same(drain.withdrawn, [])
  world.now = tellFor
  drain.look()
  t.same(drain.withdrawn, ['10.42.0.0/26', '10.42.1.0/26'])
  t.equal(drain.status?.phase, 'drained')
  t.end()
})

t.test('force may come later, and the time that peers had counts', t => {
  const { world, drain } = node()
  drain.set('WaitForPods')
  world.now = tellFor
  drain.set('Now')
  t.equal(drain.status?.phase, 'drained')
  t.end()
})

t.test('a daemon that comes back to a drain withdraws at once what was withdrawn', t => {
  const { drain } = node()
  drain.set('WaitForPods', true)
  t.same(drain.withdrawn, ['10.42.1.0/26'])
  t.end()
})

t.test('the address of a tunnel holds its block back as long as there is a pod, and no longer', t => {
  const { world, drain } = node()
  drain.set('WaitForPods', true)
  world.held = holding({ '10.42.0.0/26': [pod(1)], '10.42.1.0/26': [tunnel], '10.42.2.0/26': [] })
  drain.look()
  t.same(drain.withdrawn, ['10.42.2.0/26'])
  t.match(drain.status, {
    phase: 'waiting',
    announced: ['10.42.0.0/26', '10.42.1.0/26'],
    text: /^announces 10\.42\.0\.0\/26 \(1 pod\) until/,
  })
  world.held = holding({ '10.42.0.0/26': [tunnel, pod(1)] })
  t.match(drain.status?.text, /10\.42\.0\.0\/26 \(1 pod\)/, 'a tunnel is not told as a pod')
  world.held = holding({ '10.42.0.0/26': [], '10.42.1.0/26': [tunnel] })
  drain.look()
  t.same(drain.withdrawn, ['10.42.0.0/26', '10.42.1.0/26'])
  t.equal(drain.status?.phase, 'drained')
  t.end()
})
