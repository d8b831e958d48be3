// The bytes of messages, written out by hand after linux/rtnetlink.h, if_link.h and neighbour.h, for a little-endian machine. The
// other tests let the kernel judge; these say what changed when it no longer understands, and hold for kernels not at hand.

import t from 'tap'
import { MessageWriter } from '../core/writer.ts'
import type { Operation } from '../types.ts'
import { writeOperation } from './operations.ts'

const cases: readonly { readonly name: string; readonly operation: Operation; readonly bytes: string }[] = [
  {
    name: 'a multipath route, one gateway IPv6',
    operation: {
      do: 'route.replace',
      route: {
        dst: '10.42.0.0/26',
        protocol: 81,
        metric: 1081,
        nextHops: [
          { gateway: '10.0.0.2', link: 2, weight: 2 },
          { gateway: 'fe80::1', link: 3, onlink: true },
        ],
        mtu: 1380,
      },
    },
    bytes: `
      6c000000 1800 0105 07000000 00000000   nlmsghdr: RTM_NEWROUTE, REQUEST|CREATE|REPLACE
      02 1a 00 00 fe 51 00 01 00000000       rtmsg: AF_INET, /26, main, 81, universe, unicast
      0800 0100 0a2a0000                     RTA_DST
      0800 0600 39040000                     RTA_PRIORITY
      0c00 0880 0800 0200 64050000           RTA_METRICS: RTAX_MTU
      3400 0900                              RTA_MULTIPATH
        1000 00 01 02000000 0800 0500 0a000002
        2000 04 00 03000000 1600 1200 0a00 fe800000000000000000000000000001 0000`,
  },
  {
    name: 'delete leaves open what is not given',
    operation: { do: 'route.delete', route: { dst: '0.0.0.0/0', protocol: 81, nextHops: [] } },
    bytes: `
      1c000000 1900 0100 07000000 00000000
      02 00 00 00 fe 51 ff 00 00000000       nowhere: any scope; type 0: any`,
  },
  {
    name: 'an IPv6 blackhole is deleted from the loopback, where the kernel keeps it',
    operation: {
      do: 'route.delete',
      route: { dst: 'fd42::/64', type: 'blackhole', metric: 9, table: 300, nextHops: [] },
    },
    bytes: `
      48000000 1900 0100 07000000 00000000
      0a 40 00 00 00 00 00 06 00000000
      1400 0100 fd420000000000000000000000000000
      0800 0f00 2c010000                     RTA_TABLE, above 255
      0800 0600 09000000
      0800 0400 01000000                     RTA_OIF`,
  },
  {
    name: 'a veth pair, the peer in another namespace',
    operation: {
      do: 'link.add',
      link: {
        kind: 'veth',
        name: 'v0',
        mac: 'ee:ee:ee:ee:ee:ee',
        up: true,
        peer: { name: 'eth0', netns: 'x', mtu: 1400 },
      },
    },
    bytes: `
      78000000 1000 0106 07000000 00000000   RTM_NEWLINK, REQUEST|CREATE|EXCL
      00 00 0000 00000000 01000000 01000000  ifinfomsg: IFF_UP
      0700 0300 763000 00                    IFLA_IFNAME
      0a00 0100 eeeeeeeeeeee 0000            IFLA_ADDRESS
      4400 1280                              IFLA_LINKINFO
        0900 0100 7665746800 000000          IFLA_INFO_KIND
        3400 0280                            IFLA_INFO_DATA
          3000 0100                          VETH_INFO_PEER
            00 00 0000 00000000 00000000 00000000
            0900 0300 6574683000 000000
            0800 0400 78050000               IFLA_MTU
            0800 1c00 09000000               IFLA_NET_NS_FD`,
  },
  {
    name: 'a link that shall ask for addresses again, up',
    operation: { do: 'link.set', link: 5, change: { up: true, noArp: false } },
    bytes: `
      20000000 1300 0100 07000000 00000000   RTM_SETLINK, REQUEST
      00 00 0000 05000000 01000000 81000000  ifinfomsg: IFF_UP of IFF_UP|IFF_NOARP`,
  },
  {
    name: 'an IPIP device without a far end',
    operation: { do: 'link.add', link: { kind: 'ipip', name: 't0', mtu: 1480, local: '10.0.1.7', ttl: 64 } },
    bytes: `
      54000000 1000 0106 07000000 00000000   RTM_NEWLINK, REQUEST|CREATE|EXCL
      00 00 0000 00000000 00000000 00000000
      0700 0300 743000 00                    IFLA_IFNAME
      0800 0400 c8050000                     IFLA_MTU
      2400 1280                              IFLA_LINKINFO
        0900 0100 6970697000 000000          IFLA_INFO_KIND
        1400 0280                            IFLA_INFO_DATA
          0800 0200 0a000107                 IFLA_IPTUN_LOCAL
          0500 0400 40 000000                IFLA_IPTUN_TTL`,
  },
  {
    name: 'a GRE device without a far end',
    operation: { do: 'link.add', link: { kind: 'gre', name: 't0', mtu: 1476, local: '10.0.1.7', ttl: 64 } },
    bytes: `
      50000000 1000 0106 07000000 00000000   RTM_NEWLINK, REQUEST|CREATE|EXCL
      00 00 0000 00000000 00000000 00000000
      0700 0300 743000 00                    IFLA_IFNAME
      0800 0400 c4050000                     IFLA_MTU
      2000 1280                              IFLA_LINKINFO
        0800 0100 67726500                   IFLA_INFO_KIND
        1400 0280                            IFLA_INFO_DATA
          0800 0600 0a000107                 IFLA_GRE_LOCAL
          0500 0800 40 000000                IFLA_GRE_TTL`,
  },
  {
    name: 'a GRE device with a key, in UDP',
    operation: {
      do: 'link.add',
      link: { kind: 'gre', name: 't0', local: '10.0.1.7', key: 0x01020304, encap: { type: 'fou', port: 5556 } },
    },
    bytes: `
      80000000 1000 0106 07000000 00000000   RTM_NEWLINK, REQUEST|CREATE|EXCL
      00 00 0000 00000000 00000000 00000000
      0700 0300 743000 00                    IFLA_IFNAME
      5800 1280                              IFLA_LINKINFO
        0800 0100 67726500                   IFLA_INFO_KIND
        4c00 0280                            IFLA_INFO_DATA
          0800 0600 0a000107                 IFLA_GRE_LOCAL
          0600 0e00 0100 0000                IFLA_GRE_ENCAP_TYPE: TUNNEL_ENCAP_FOU
          0600 0f00 0000 0000                IFLA_GRE_ENCAP_FLAGS
          0600 1000 0000 0000                IFLA_GRE_ENCAP_SPORT: by flow
          0600 1100 15b4 0000                IFLA_GRE_ENCAP_DPORT
          0600 0200 2000 0000                IFLA_GRE_IFLAGS: GRE_KEY
          0600 0300 2000 0000                IFLA_GRE_OFLAGS
          0800 0400 01020304                 IFLA_GRE_IKEY
          0800 0500 01020304                 IFLA_GRE_OKEY`,
  },
  {
    name: 'an IPIP device in GUE',
    operation: { do: 'link.add', link: { kind: 'ipip', name: 't0', encap: { type: 'gue', port: 6080 } } },
    bytes: `
      5c000000 1000 0106 07000000 00000000   RTM_NEWLINK, REQUEST|CREATE|EXCL
      00 00 0000 00000000 00000000 00000000
      0700 0300 743000 00                    IFLA_IFNAME
      3400 1280                              IFLA_LINKINFO
        0900 0100 6970697000 000000          IFLA_INFO_KIND
        2400 0280                            IFLA_INFO_DATA
          0600 0f00 0200 0000                IFLA_IPTUN_ENCAP_TYPE: TUNNEL_ENCAP_GUE
          0600 1000 0000 0000                IFLA_IPTUN_ENCAP_FLAGS
          0600 1100 0000 0000                IFLA_IPTUN_ENCAP_SPORT
          0600 1200 17c0 0000                IFLA_IPTUN_ENCAP_DPORT`,
  },
  {
    name: 'a neighbour on a GRE device: its link-layer address is IPv4',
    operation: {
      do: 'neighbour.replace',
      neighbour: { link: 5, address: '10.0.2.11', mac: '0a:00:02:0b', state: 'permanent' },
    },
    bytes: `
      2c000000 1c00 0105 07000000 00000000   RTM_NEWNEIGH, REQUEST|CREATE|REPLACE
      02 000000 05000000 8000 00 00          AF_INET, NUD_PERMANENT
      0800 0100 0a00020b                     NDA_DST
      0800 0200 0a00020b                     NDA_LLADDR`,
  },
  {
    name: 'an entry of a VXLAN forwarding table',
    operation: { do: 'fdb.replace', entry: { link: 5, mac: '06:4d:0a:00:02:0b', dst: '10.0.2.11' } },
    bytes: `
      30000000 1c00 0105 07000000 00000000   RTM_NEWNEIGH, REQUEST|CREATE|REPLACE
      07 000000 05000000 c000 02 00          AF_BRIDGE, NUD_NOARP|NUD_PERMANENT, NTF_SELF
      0a00 0200 064d0a00020b 0000            NDA_LLADDR
      0800 0100 0a00020b                     NDA_DST`,
  },
  {
    name: 'a proxy neighbour',
    operation: { do: 'neighbour.replace', neighbour: { link: 5, address: 'fd00::1', state: 'none', proxy: true } },
    bytes: `
      30000000 1c00 0105 07000000 00000000
      0a 000000 05000000 0000 08 00
      1400 0100 fd000000000000000000000000000001`,
  },
  {
    name: 'a router that the kernel is to probe, IPv6',
    operation: {
      do: 'neighbour.replace',
      neighbour: { link: 5, address: 'fe80::77', mac: '0a:00:02:0b:00:01', state: 'probe', router: true },
    },
    bytes: `
      3c000000 1c00 0105 07000000 00000000   RTM_NEWNEIGH, REQUEST|CREATE|REPLACE
      0a 000000 05000000 1000 80 00          AF_INET6, NUD_PROBE, NTF_ROUTER
      1400 0100 fe800000000000000000000000000077
      0a00 0200 0a00020b0001 0000            NDA_LLADDR`,
  },
  {
    name: 'an address with a peer, no duplicate detection',
    operation: {
      do: 'address.add',
      address: { link: 5, cidr: '10.0.0.1/32', peer: '10.0.0.2', scope: 'link', noDad: true },
    },
    bytes: `
      30000000 1400 0106 07000000 00000000
      02 20 00 fd 05000000
      0800 0200 0a000001
      0800 0100 0a000002
      0800 0800 02000000`,
  },
]

for (const { name, operation, bytes } of cases)
  t.test(name, async t => {
    const writer = new MessageWriter(16)
    writeOperation(writer, operation, 7, () => 9)
    const hex = bytes.replaceAll(/^((?: *[0-9a-f]{2,}\b)*).*$/gm, '$1').replaceAll(/\s/g, '')
    t.equal(Buffer.from(writer.bytes).toString('hex'), hex)
  })
