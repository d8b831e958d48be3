// What an operator changes while everything runs.

import { readFileSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { eventually } from '../../kit/lab.ts'
import { apply, margayctl } from '../kit/apply.ts'
import type { ContinuityEvent, Scene } from '../kit/event.ts'

const clampChain = 'clamp_mss'
/** A network outside to which pods keep their address. */
const excluded = '203.0.113.0/24'

export const reloaded: ContinuityEvent = {
  name: 'daemon file changed and read again (SIGHUP)',
  planned: true,
  keepsRoutes: true,
  bound: 'only what differs is put into force, each in one transaction or by replacing; what needs a restart is named',
  run: async scene => {
    for (const node of scene.fabric.nodes) {
      const { config } = scene.lab.files(node)
      const before = readFileSync(config, 'utf8')
      const other = { ...(parse(before) as object), log: { level: 'debug' }, dataplane: { clampMss: true, mtu: 1400 } }
      for (const [text, is] of [
        [stringify(other), true],
        [before, false],
      ] as const) {
        writeFileSync(config, text)
        scene.lab.signal(node, 'margayd', 'SIGHUP')
        await eventually(
          `${node} clamps: ${is}`,
          async () => (await ruleset(scene, node)).includes(clampChain) === is,
          60,
        )
        await eventually(`${node} has routes with that MTU: ${is}`, async () => (await limited(scene, node)) === is, 60)
        await scene.probe.passing(100)
      }
    }
  },
}

const ruleset = ({ lab }: Scene, node: string): Promise<string> => lab.exec(node, 'nft', 'list', 'ruleset')

async function limited({ lab }: Scene, node: string): Promise<boolean> {
  const families = await Promise.all(
    ['-4', '-6'].map(family => lab.exec(node, 'ip', family, 'route', 'show', 'proto', '81')),
  )
  return families.every(text => text.includes('mtu 1400'))
}

export const translated: ContinuityEvent = {
  name: 'packet filter changed (natOutgoing on, excluded, off)',
  planned: true,
  keepsRoutes: true,
  bound: 'the table is replaced in one transaction of nftables: every packet meets the old rules or the new',
  run: async scene => {
    const pools = await poolsOf(scene)
    for (const [translates, excludes] of [
      [true, false],
      [true, true],
      [false, false],
    ]) {
      const changed = pools.map(({ name, cidr }) => {
        const natOutgoingExclusions = excludes ? [cidr.includes(':') ? '2001:db8:ffff::/48' : excluded] : undefined
        return { kind: 'IPPool', name, spec: { cidr, natOutgoing: translates, natOutgoingExclusions } }
      })
      await apply(scene, ...changed)
      for (const node of scene.fabric.nodes)
        await eventually(
          `${node} translates: ${translates}, with exclusions: ${excludes}`,
          async () => {
            const rules = await ruleset(scene, node)
            return rules.includes('masquerade') === translates && rules.includes(excluded) === excludes
          },
          60,
        )
      await scene.probe.passing(100)
    }
  },
}

export const wrapped: ContinuityEvent = {
  name: 'encapsulation switched (Never → VXLAN → Never)',
  planned: true,
  bound:
    'a node sends by the new device to those that say they take it, and the old one stays until nobody sends by it (docs/encapsulation.md)',
  run: async scene => {
    const pools = await poolsOf(scene)
    for (const vxlanMode of ['Always', 'Never']) {
      await apply(scene, ...pools.map(({ name, cidr }) => ({ kind: 'IPPool', name, spec: { cidr, vxlanMode } })))
      for (const node of scene.fabric.watched)
        await eventually(
          `${node} has done with vxlanMode ${vxlanMode}`,
          async () => {
            const hasDevices = (await scene.lab.exec(node, 'ip', '-o', 'link')).includes('margay-vxlan')
            const { waits } = await scene.lab.ask(node, '/v1/status', {})
            return waits.length === 0 && hasDevices === (vxlanMode === 'Always')
          },
          90,
        )
      await scene.probe.passing(100)
    }
  },
}

async function poolsOf(scene: Scene): Promise<readonly { readonly name: string; readonly cidr: string }[]> {
  const text = await margayctl(scene, scene.fabric.nodes[0], 'get', 'ippools', '-o', 'json')
  const pools = JSON.parse(text) as { metadata: { name: string }; spec: { cidr: string } }[]
  return pools.map(({ metadata, spec }) => ({ name: metadata.name, cidr: spec.cidr }))
}

export const drained: ContinuityEvent = {
  name: 'node drained and undrained, pods running',
  planned: true,
  keepsRoutes: true,
  bound:
    'peers are asked to prefer other ways (GRACEFUL_SHUTDOWN); a block with pods stays announced until its last pod ends',
  run: async scene => {
    const [node] = scene.fabric.nodes
    await margayctl(scene, node, 'node', 'drain')
    await eventually(
      `${node} has told its peers and waits for its pods`,
      async () => (await scene.lab.ask(node, '/v1/status', {})).drain?.phase === 'waiting',
      60,
    )
    await scene.probe.passing(300)
    await margayctl(scene, node, 'node', 'undrain')
    await eventually(`${node} is back`, async () => !(await scene.lab.ask(node, '/v1/status', {})).drain, 60)
  },
}

export const meshed: ContinuityEvent = {
  name: 'reflectors → mesh → reflectors, twice',
  planned: true,
  bound:
    'sessions of before stay until every node says that it has all that it knows from the new ones (make before break)',
  run: async scene => {
    const [node] = scene.fabric.nodes
    const text = await margayctl(scene, node, 'get', 'bgppeers', 'clients-to-reflectors', '-o', 'json')
    const [peer] = [JSON.parse(text) as unknown].flat() as { spec: Record<string, unknown> }[]
    const clients = ['n1', 'n2', 'n3']
    const toMesh = async (mesh: boolean): Promise<void> => {
      const spec = { asNumber: 64_512, nodeToNodeMeshEnabled: mesh, holdTime: 9, connectRetryTime: 1 }
      // Both at once, as nobody should have to know which comes first.
      await apply(scene, { kind: 'BGPConfiguration', name: 'default', spec })
      if (mesh) await margayctl(scene, node, 'delete', 'bgppeer', 'clients-to-reflectors')
      else await apply(scene, { kind: 'BGPPeer', name: 'clients-to-reflectors', spec: peer.spec })
      for (const each of clients)
        await eventually(
          `${each} speaks ${mesh ? 'with all' : 'with reflectors'} only`,
          async () => {
            const { peers } = await scene.lab.ask(each, '/v1/bgp/summary', {})
            const { waits } = await scene.lab.ask(each, '/v1/status', {})
            return (
              waits.length === 0 &&
              peers.every(({ name, state }) => state === 'Established' && name.startsWith('mesh/') === mesh)
            )
          },
          90,
        )
      await scene.probe.passing(100)
    }
    // The reflectors themselves, and what they alone know, are no part of the mesh.
    const watched = clients.map(client => [client, scene.lab.losses(client)] as const)
    for (const mesh of [true, false, true, false]) await toMesh(mesh)
    for (const [client, losses] of watched) {
      const lost = (await losses.end()).filter(line => /via (10\.3\.0\.1|fd00:3::1)[1-3] /.test(line))
      scene.t.same(lost, [], `the kernel of ${client} kept its routes to pods`)
    }
  },
}
