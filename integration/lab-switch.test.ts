// The mode of live pools changes, again and again, under 1,000 packets a second in both families: none is lost, and no kernel lets a
// route go.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { everyPairReaches } from './kit/expect.ts'
import { eventually, labFile, TestLab } from './kit/lab.ts'

const perSecond = 1000
const text = readFileSync(labFile('full-mesh'), 'utf8')
const pools = [...text.matchAll(/name: (\S+) \}\nspec: \{ cidr: ('?[\d.a-f:]+\/\d+'?)/g)].map(([, name, cidr]) => ({
  name,
  cidr,
}))

const lab = await TestLab.up(t, { text }, 'switch')

type Mode = 'Never' | 'CrossSubnet' | 'Always'

async function change(mode: Mode): Promise<void> {
  const resources = pools.map(
    ({ name, cidr }) => `---
apiVersion: margay.io/v1
kind: IPPool
metadata: { name: ${name} }
spec: { cidr: ${cidr}, vxlanMode: ${mode} }
`,
  )
  await lab.apply('n1', resources.join(''))
}

/** Until every node has done with it. */
async function settled(mode: Mode): Promise<void> {
  for (const node of lab.nodes)
    await eventually(
      `${node} has done with ${mode}`,
      async () => {
        const links = await lab.exec(node, 'ip', '-o', 'link')
        if (links.includes('margay-vxlan4') !== (mode !== 'Never')) return false
        const blocks = (await lab.routes(node)).filter(({ protocol, gateway }) => protocol === '81' && gateway)
        const { waits } = await lab.ask(node, '/v1/status', {})
        return waits.length === 0 && blocks.every(({ dev }) => dev?.startsWith('margay-vxlan') === (mode === 'Always'))
      },
      90,
    )
}

t.test('Never, Always, CrossSubnet and back', async t => {
  t.equal(pools.length, 2, 'a pool of each family')
  const target = lab.addresses('n2-p1')
  const other = lab.addresses('n3-p1')
  const pings = [
    ['n1 to n2, IPv4', lab.pinging('n1-p1', target.ipv4!, perSecond)],
    ['n1 to n2, IPv6', lab.pinging('n1-p1', target.ipv6!, perSecond)],
    ['n2 to n3, IPv4', lab.pinging('n2-p1', other.ipv4!, perSecond)],
  ] as const
  const watched = lab.nodes.map(node => [node, lab.losses(node)] as const)
  for (const mode of ['Always', 'CrossSubnet', 'Never', 'Always'] as const) {
    await change(mode)
    // Before all have heard of it, the next one.
    if (mode === 'CrossSubnet') continue
    await settled(mode)
    t.pass(mode)
  }
  for (const [name, ping] of pings) {
    const { sent, lost } = await ping.end()
    t.ok(sent > perSecond, `${sent} sent`)
    t.same(lost, [], name)
  }
  for (const [node, losses] of watched) {
    const ours = (await losses.end()).filter(line => line.includes('proto 81'))
    t.same(ours, [], `the kernel of ${node} lost no route`)
  }
  await everyPairReaches(t, lab)
})
