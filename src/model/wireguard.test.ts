import { inspect } from 'node:util'
import t from 'tap'
import { isWireguardKey, WireguardKey } from './wireguard.ts'

t.test('the public key is the one that the kernel works out', async t => {
  // As `wg show` prints it of Linux 6.1 for the octets 1 to 32.
  const key = WireguardKey.parse('AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=')
  t.equal(key?.publicKey, 'B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=')
  t.ok(isWireguardKey(key?.publicKey ?? ''))
})

t.test('a private key shows its public one only', async t => {
  const key = WireguardKey.generate()
  const secret = Buffer.from(key.privateOctets()).toString('base64')
  for (const text of [JSON.stringify({ key }), inspect({ key }), inspect(key, { showHidden: true })])
    t.notMatch(text, secret)
  t.match(JSON.stringify({ key }), key.publicKey)
  t.equal(WireguardKey.parse(`${secret}\n`)?.publicKey, key.publicKey, 'what is kept is read again')
})

t.test('what is no key', async t => {
  for (const text of ['', 'abc', 'A'.repeat(43), `${'A'.repeat(44)}=`])
    t.equal(WireguardKey.parse(text), undefined, text)
})
