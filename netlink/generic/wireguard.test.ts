// The bytes of WireGuard's protocol. What is written was compared with what `wg set` of wireguard-tools 1.0.20210914 sends; what is
// read is an answer of Linux 6.1. Little-endian. src/dataplane/encapsulation/wireguard.kernel.test.ts speaks with a kernel.

import t from 'tap'
import { Attributes, readMessages } from '../core/reader.ts'
import { MessageWriter } from '../core/writer.ts'
import { NoGenericFamily, writeRequest } from './generic.ts'
import { deviceOf, getRequest, openWireguard, readPart, setRequests } from './wireguard.ts'
import type { WireguardChange, WireguardDevice } from './wireguard-types.ts'

const peerKey = 'ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A='
const peerOctets = '2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40'

/** Hexadecimal digits at the head of each line; the rest is comment. */
function octets(text: string): Uint8Array {
  const digits = text.replaceAll(/^((?: *[0-9a-f]{2,}\b)*).*$/gm, '$1').replaceAll(/\s/g, '')
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

function written(change: WireguardChange): readonly string[] {
  return setRequests(change).map(request => {
    const writer = new MessageWriter(16)
    writeRequest(writer, { id: 0x20, version: 1 }, request, 5, 7)
    return Buffer.from(writer.bytes).toString('hex')
  })
}

t.test('a device gets key, port and a peer', async t => {
  const change: WireguardChange = {
    device: 'wg0',
    privateKey: Uint8Array.from({ length: 32 }, (_, i) => i + 1),
    port: 51820,
    peers: [
      {
        publicKey: peerKey,
        endpoint: { address: '10.0.1.7', port: 51820 },
        keepalive: 25,
        allowedIps: ['10.42.0.0/26', 'fd00:42::/122'],
      },
    ],
  }
  const bytes = octets(`
    d8000000 2000 0500 07000000 00000000   nlmsghdr: REQUEST|ACK
    01 01 0000                             WG_CMD_SET_DEVICE, version 1
    0800 0200 77673000                     WGDEVICE_A_IFNAME
    2400 0300 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
    0600 0600 6cca 0000                    WGDEVICE_A_LISTEN_PORT
    9000 0880                              WGDEVICE_A_PEERS
      8c00 0080
        2400 0100 ${peerOctets}
        1400 0400 0200 ca6c 0a000107 0000000000000000
        0600 0500 1900 0000                WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL
        4800 0980                          WGPEER_A_ALLOWEDIPS
          1c00 0080
            0600 0100 0200 0000
            0800 0200 0a2a0000
            0500 0300 1a 000000
          2800 0080
            0600 0100 0a00 0000
            1400 0200 fd000042000000000000000000000000
            0500 0300 7a 000000`)
  t.same(written(change), [Buffer.from(bytes).toString('hex')])
})

t.test('a peer is removed, another found over IPv6', async t => {
  const change = {
    device: 'wg0',
    peers: [
      { publicKey: peerKey, remove: true },
      { publicKey: peerKey, endpoint: { address: 'fd00::7', port: 51821 } },
    ],
  }
  const bytes = octets(`
    98000000 2000 0500 07000000 00000000
    01 01 0000
    0800 0200 77673000
    7c00 0880
      3000 0080
        2400 0100 ${peerOctets}
        0800 0300 01000000                 WGPEER_F_REMOVE_ME
      4800 0080
        2400 0100 ${peerOctets}
        2000 0400 0a00 ca6d 00000000 fd000000000000000000000000000007 00000000`)
  t.same(written(change), [Buffer.from(bytes).toString('hex')])
})

t.test('lists that no message holds are cut, in order, and none is lost', async t => {
  const allowedIps = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  const peers = Array.from({ length: 1200 }, (_, i) => ({
    publicKey: Buffer.alloc(32, `${i} `).toString('base64'),
    allowedIps: i === 5 ? allowedIps : ['10.42.0.0/26'],
  }))
  const requests = setRequests({ device: 'wg0', privateKey: new Uint8Array(32), port: 1, peers })
  const parts = requests.map(request => {
    const writer = new MessageWriter(16)
    writeRequest(writer, { id: 0x20, version: 1 }, request, 5, 7)
    t.ok(writer.length < 65536, `${writer.length} octets`)
    return readBack(writer.bytes)
  })
  t.same(
    deviceOf(parts)?.peers.map(({ publicKey, allowedIps: found }) => ({ publicKey, allowedIps: found })),
    peers,
  )
})

t.test('a key of another length, a port beyond 65535, an endpoint that is no address', async t => {
  for (const change of [
    { device: 'wg0', privateKey: new Uint8Array(31) },
    { device: 'wg0', port: 65536 },
    { device: 'wg0', peers: [{ publicKey: 'short' }] },
    { device: 'wg0', peers: [{ publicKey: peerKey, endpoint: { address: 'tor1', port: 1 } }] },
    { device: 'wg0', peers: [{ publicKey: peerKey, allowedIps: ['10.42.0.1/26'] }] },
  ])
    t.throws(() => written(change), { name: 'InvalidRequest', message: /^device "wg0"/ })
})

t.test('what the kernel answers', async t => {
  const writer = new MessageWriter(16)
  writeRequest(writer, { id: 0x20, version: 1 }, getRequest('wg0'), 0x301, 7)
  t.same(
    writer.bytes,
    octets(`
      1c000000 2000 0103 07000000 00000000
      00 01 0000
      0800 0200 77673000`),
  )
  const answer = octets(`
    64010000 2000 0200 07000000 8a000000
    00 01 0000
    0600 0600 6cca 0000                    WGDEVICE_A_LISTEN_PORT
    0800 0700 00000000                     WGDEVICE_A_FWMARK
    0800 0100 02000000                     WGDEVICE_A_IFINDEX
    0800 0200 77673000
    2400 0300 000203 0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60
    2400 0400 07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c
    e800 0880
      e400 0080
        2400 0100 ${peerOctets}
        2400 0200 0000000000000000000000000000000000000000000000000000000000000000
        1400 0600 0500000000000000 0065cd1d00000000   WGPEER_A_LAST_HANDSHAKE_TIME: 5.5 s
        0600 0500 1900 0000
        0c00 0800 0002000000000000         WGPEER_A_TX_BYTES
        0c00 0700 0001000000000000         WGPEER_A_RX_BYTES
        0800 0a00 01000000
        1400 0400 0200 ca6c 0a000107 0000000000000000
        4800 0980
          1c00 0080
            0500 0300 1a 000000
            0600 0100 0200 0000
            0800 0200 0a2a0000
          2800 0080
            0500 0300 7a 000000
            0600 0100 0a00 0000
            1400 0200 fd000042000000000000000000000000`)
  t.same(readBack(answer), {
    name: 'wg0',
    publicKey: 'B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=',
    port: 51820,
    peers: [
      {
        publicKey: peerKey,
        endpoint: { address: '10.0.1.7', port: 51820 },
        keepalive: 25,
        allowedIps: ['10.42.0.0/26', 'fd00:42::/122'],
        lastHandshake: 5500,
        received: 256,
        sent: 512,
      },
    ],
  })
})

t.test('a kernel without it says so by a type of error', async t => {
  try {
    await using wireguard = await openWireguard()
    t.equal(await wireguard.device('lo'), undefined, 'of another kind')
    t.equal(await wireguard.device('no-such'), undefined)
  } catch (error) {
    t.type(error, NoGenericFamily)
  }
})

function readBack(bytes: Uint8Array): WireguardDevice {
  const found: WireguardDevice[] = []
  readMessages(bytes, message => found.push(readPart(new Attributes(message, message.from + 4, message.to))))
  return found[0]
}
