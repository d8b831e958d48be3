// A node gets another address.

import { eventually } from '../../kit/lab.ts'
import { apply } from '../kit/apply.ts'
import { learned } from '../kit/ask.ts'
import type { ContinuityEvent } from '../kit/event.ts'

const patience = 120

/** Of a lab in which nodes peer with each other on one subnet, and addresses that end in …22 are free. */
export const moved: ContinuityEvent = {
  name: 'node address changed (docs/node-address.md)',
  planned: true,
  bound:
    'the node has both addresses meanwhile; sessions end without a NOTIFICATION and both ends keep the routes, whose next hop then changes in place',
  run: async scene => {
    const { lab, fabric, probe } = scene
    const [, node] = fabric.nodes
    const link = lab.topology.hosts.find(({ name }) => name === node)!.links[0]
    const changes = [link.ipv4!, link.ipv6!].map(old => ({ old, other: old.replace(/\d+\//, '22/') }))
    await lab.exec(node, 'sysctl', '-qw', `net.ipv4.conf.${link.device}.promote_secondaries=1`)
    for (const { other } of changes)
      await lab.exec(node, 'ip', 'address', 'add', other, 'dev', link.device, ...nodad(other))
    const [ipv4Address, ipv6Address] = changes.map(({ other }) => other)
    await apply(scene, { kind: 'Node', name: node, spec: { bgp: { ipv4Address, ipv6Address } } })
    for (const other of lab.nodes.filter(each => each !== node))
      await eventually(
        `${other} sends to ${node} by its new addresses`,
        async () => {
          const gateways = (await learned(lab, other)).map(({ gateway }) => gateway)
          return changes.every(({ old, other }) => !gateways.includes(bare(old)) && gateways.includes(bare(other)))
        },
        patience,
      )
    await lab.established()
    await probe.passing(300)
    for (const { old } of changes) await lab.exec(node, 'ip', 'address', 'delete', old, 'dev', link.device)
    await probe.passing(1000)
    await lab.established()
  },
}

const bare = (cidr: string): string => cidr.slice(0, cidr.indexOf('/'))

const nodad = (address: string): readonly string[] => (address.includes(':') ? ['nodad'] : [])
