import t from 'tap'
import type { Facts } from '../model/facts.ts'
import { fabricLinks } from './fabric.ts'

const names = ['lo', 'eth0', 'eth1', 'eth2', 'eth3', 'docker0', 'br-pods', 'cali0123456789a', 'margay-vxlan4']
const facts: Facts = {
  links: names.map((name, i) => ({ index: i + 1, name, up: true, carrier: true, mtu: 1500 })),
  addresses: [
    { link: 'lo', cidr: '10.9.0.1/32' },
    { link: 'eth0', cidr: '10.0.1.7/24' },
    { link: 'eth1', cidr: '10.0.2.7/31' },
    { link: 'eth2', cidr: 'fe80::7/64' },
    { link: 'eth3', cidr: '10.0.3.7/24' },
    { link: 'docker0', cidr: '172.17.0.1/16' },
    { link: 'br-pods', cidr: '172.18.0.1/16' },
    { link: 'cali0123456789a', cidr: 'fe80::1/64' },
    { link: 'margay-vxlan4', cidr: '10.42.0.1/32' },
  ],
  foreignRoutes: [
    { prefix: '0.0.0.0/0', gateway: '10.0.3.1', device: 'eth3', protocol: 3, metric: 0, connected: false },
    { prefix: '10.99.0.1/32', device: 'cali0123456789a', protocol: 80, metric: 0, connected: true },
    { prefix: '172.17.0.0/16', device: 'docker0', protocol: 2, metric: 0, connected: true },
  ],
}

for (const [name, own, peers, expected] of [
  ['a gateway', [], [], ['eth3']],
  ['the own address', ['10.0.1.7/24', undefined], [], ['eth0', 'eth3']],
  ['an address on the loopback', ['10.9.0.1/32'], [{ address: '10.0.2.6', remoteAs: 1 }], ['eth1', 'eth3']],
  ['a peer far away', [], [{ address: '10.77.0.1', remoteAs: 1 }], ['eth3']],
  ['a link-local peer', [], [{ address: 'fe80::1%eth2', remoteAs: 1 }], ['eth2', 'eth3']],
  ['whoever is on a link', [], [{ interface: 'eth2', remoteAs: 1 }], ['eth2', 'eth3']],
  ['a link that is not there', [], [{ interface: 'eth9', remoteAs: 1 }], ['eth3']],
] as const)
  t.test(`${name} tells a link to the fabric`, async t => t.same(fabricLinks(facts, own, peers), expected))
