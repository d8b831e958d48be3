// Families by name, on the kernel at hand; and the bytes, written out by hand after linux/genetlink.h, for a little-endian machine.

import t from 'tap'
import { readMessages } from '../core/reader.ts'
import { MessageWriter } from '../core/writer.ts'
import { namespace } from '../test-namespace.ts'
import { familyQuery, type GenericFamily, GenericSocket, NoGenericFamily, readFamily } from './generic.ts'

const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

t.test('a family is asked for by name, and its number read', async t => {
  const writer = new MessageWriter(16)
  familyQuery('fou')(writer, 1, 7)
  const asked = `
    1c000000 1000 0100 07000000 00000000
    03 02 0000
    0800 0200 666f7500`
  t.same(writer.bytes, octets(asked), 'GENL_ID_CTRL, REQUEST; CTRL_CMD_GETFAMILY, version 2; CTRL_ATTR_FAMILY_NAME')
  const answered = `
    2c000000 1000 0000 07000000 00000000
    01 02 0000
    0800 0200 666f7500
    0600 0100 1c00 0000
    0800 0300 01000000`
  const found: (GenericFamily | undefined)[] = []
  readMessages(octets(answered), message => found.push(readFamily(message)))
  t.same(found, [{ id: 0x1c, version: 1 }], 'CTRL_ATTR_FAMILY_ID, CTRL_ATTR_VERSION')
})

t.test('the kernel is asked in a namespace', async t => {
  const netns = namespace(t).path
  await using control = await GenericSocket.open('nlctrl', { netns })
  const families = await control.dump({ command: 3 }, attributes => {
    while (attributes.next()) if (attributes.type === 2) return attributes.text()
    return undefined
  })
  t.ok(families.includes('nlctrl'), families.join(' '))
  const [refused] = await control.send([{ command: 250 }])
  t.match(refused, { ok: false, errno: 'EOPNOTSUPP' }, 'a command that the family lacks')
})

t.test('a kernel without the family says so by a type of error', async t => {
  const missing = GenericSocket.open('margay-no-such')
  await t.rejects(missing, NoGenericFamily)
  await t.rejects(missing, { code: 'ENOENT', family: 'margay-no-such', message: /no generic netlink family/ })
})
