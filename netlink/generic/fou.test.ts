// The bytes, written out by hand after linux/fou.h, for a little-endian machine; a kernel with FoU judges in
// integration/lab-tunnel-kinds.test.ts.

import t from 'tap'
import { Attributes } from '../core/reader.ts'
import { MessageWriter } from '../core/writer.ts'
import { fouRequest, readFouPort } from './fou.ts'
import { writeRequest } from './generic.ts'
import type { FouPort } from './fou-types.ts'

const cases: readonly { readonly name: string; readonly port: FouPort; readonly attributes: string }[] = [
  {
    name: 'GRE in UDP, on one address',
    port: { port: 5556, type: 'direct', protocol: 47, local: '10.0.1.7' },
    attributes: `
      0600 0100 15b4 0000     FOU_ATTR_PORT
      0500 0200 02 000000     FOU_ATTR_AF
      0500 0300 2f 000000     FOU_ATTR_IPPROTO
      0500 0400 01 000000     FOU_ATTR_TYPE: FOU_ENCAP_DIRECT
      0800 0600 0a000107      FOU_ATTR_LOCAL_V4`,
  },
  {
    name: 'GUE, on every address',
    port: { port: 6080, type: 'gue' },
    attributes: `
      0600 0100 17c0 0000
      0500 0200 02 000000
      0500 0400 02 000000     FOU_ENCAP_GUE`,
  },
]

const hexOf = (text: string): string => text.replaceAll(/^((?: *[0-9a-f]{2,}\b)*).*$/gm, '$1').replaceAll(/\s/g, '')

for (const { name, port, attributes } of cases)
  t.test(name, async t => {
    for (const [verb, command] of [
      ['add', '01'],
      ['delete', '02'],
    ] as const) {
      const writer = new MessageWriter(16)
      writeRequest(writer, { id: 0x1c, version: 1 }, fouRequest(verb, port), 5, 7)
      const body = hexOf(attributes)
      const length = (20 + body.length / 2).toString(16)
      t.equal(
        Buffer.from(writer.bytes).toString('hex'),
        `${length}000000 1c00 0500 07000000 00000000 ${command} 01 0000`.replaceAll(' ', '') + body,
        verb,
      )
      const view = new DataView(writer.bytes.buffer, writer.bytes.byteOffset, writer.bytes.byteLength)
      const message = { bytes: writer.bytes, view }
      t.same(readFouPort(new Attributes(message, 20, writer.bytes.length)), port, 'and is read again')
    }
  })
