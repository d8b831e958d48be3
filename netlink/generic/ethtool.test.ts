// The kernel judges; and the bytes, written out by hand after linux/ethtool_netlink.h, for a little-endian machine.

import t from 'tap'
import { MessageWriter } from '../core/writer.ts'
import { open } from '../index.ts'
import { namespace } from '../test-namespace.ts'
import { featureRequest, openEthtool } from './ethtool.ts'
import { writeRequest } from './generic.ts'

t.test('a feature is turned off and on', async t => {
  const ns = namespace(t)
  const netns = ns.path
  ns.ip('link add vx type vxlan id 7 dstport 4789 local 127.0.0.1')
  await using netlink = await open({ netns })
  const link = (await netlink.link('vx'))!.index
  await using ethtool = await openEthtool({ netns })
  const has = async () => (await ethtool.features(link)).has('tx-checksum-ip-generic')
  t.equal(await has(), true, 'as the kernel makes it')
  for (const on of [false, true]) {
    t.same(await ethtool.setFeature(link, 'tx-checksum-ip-generic', on), { ok: true })
    t.equal(await has(), on)
  }
  t.match(await ethtool.setFeature(link, 'no-such-feature', false), { ok: false, errno: 'EOPNOTSUPP' })
  t.match(await ethtool.setFeature(4711, 'tx-checksum-ip-generic', false), { ok: false, errno: 'ENODEV' })
  await t.rejects(ethtool.features(4711), { code: 'ENODEV' })
})

t.test('ETHTOOL_MSG_FEATURES_SET', async t => {
  const writer = new MessageWriter(16)
  writeRequest(writer, { id: 0x15, version: 1 }, featureRequest(5, 'rx', false), 5, 7)
  const hex = `
    3c000000 1500 0500 07000000 00000000
    0c 01 0000
    1400 0180  0800 0100 05000000  0800 0300 02000000
    1400 0380  1000 0380  0c00 0180  0700 0200 727800 00`
  t.equal(Buffer.from(writer.bytes).toString('hex'), hex.replaceAll(/\s/g, ''))
})
