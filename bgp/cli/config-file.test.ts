// The configuration file of the executable: every option by name, every mistake with its place and the next step.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { acceptAll } from '../types.ts'
import { FileError, parseConfig, readConfig } from './config-file.ts'

const environment = { KEY: 'from the environment' }

/** A file with one peer, `tor`. */
function parse(peer: object = {}, more: object = {}) {
  const peers = { tor: { address: '10.0.0.2', remoteAs: 65002, ...peer } }
  return parseConfig(JSON.stringify({ asn: 65001, routerId: '10.0.0.1', peers, ...more }), 'r.json', environment)
}

const only = (peer: object) => parse(peer).speaker.peers.get('tor')

t.test('what is written twice is refused, wherever it is: JSON would keep the last and lose the first', async t => {
  const head = '"asn": 65001, "routerId": "10.0.0.1"'
  const refused = (content: string) => t.throws(() => parseConfig(content, 'r.json', environment), FileError)
  const reasons = (content: string) => (refused(content) as FileError).message.split('\n')
  const peer = '{ "address": "10.0.0.2", "remoteAs": 65002, "description": "a \\"tor\\": { \\\\" }'
  t.match(reasons(`{ ${head}, "peers": { "tor": ${peer}, "b": ${peer}, "t\\u006fr": ${peer} } }`), [
    /^r\.json: peers\.tor is .*: it is written twice here, and only one can be meant; keep one of the two/,
  ])
  t.match(reasons(`{ ${head}, "peers": { "tor": { "address": "10.0.0.2", "remoteAs": 1, "remoteAs": 2 } } }`), [
    /tor\.remoteAs/,
  ])
  t.match(reasons(`{ ${head}, "announce": ["10.0.0.0/24", { "prefix": "10.1.0.0/24", "med": 1, "med": 2 }] }`), [
    /announce\[1\]\.med/,
  ])
  const both = parseConfig(
    `{ ${head}, "peers": { "a": ${peer}, "b": ${peer.replace('.2"', '.3"')} } }`,
    'r.json',
    environment,
  )
  t.same([...both.speaker.peers.keys()], ['a', 'b'], 'the same option at two peers is fine')
})

t.test('what it takes', async t => {
  const { speaker, announce } = parse(
    {
      holdTime: 30,
      maxPrefixes: { 'ipv6-unicast': { limit: 5, action: 'warn' } },
      import: 'from-tor',
      export: 'accept-all',
    },
    {
      decision: { multipath: 'off' },
      policies: {
        'from-tor': { rules: [{ name: 'a', when: { med: { max: 5 } }, then: 'accept' }], otherwise: 'reject' },
      },
      announce: ['10.1.0.0/24', { prefix: 'fd01::/64', communities: ['65001:1'] }],
    },
  )
  t.match(speaker, { asn: 65001, routerId: '10.0.0.1', decision: { multipath: 'off' } })
  t.match(speaker.peers.get('tor'), {
    address: '10.0.0.2',
    holdTime: 30,
    maxPrefixes: { 'ipv6-unicast': { limit: 5 } },
    import: { name: 'from-tor', rules: [{ name: 'a' }], otherwise: 'reject' },
    export: acceptAll,
  })
  t.same(announce, [{ prefix: '10.1.0.0/24' }, { prefix: 'fd01::/64', communities: ['65001:1'] }])
  t.equal(only({})?.import, undefined, 'without a policy an eBGP peer exchanges nothing (RFC 8212)')
  const here = only({ export: { rules: [], otherwise: 'accept' } })
  t.match(here?.export, { name: 'peers.tor.export', otherwise: 'accept' }, 'a policy that stands at its peer')
})

t.test('listen ranges, whose templates have policies and keys like any peer', async t => {
  const template = { remoteAs: 'external', import: 'accept-all', secretEnv: 'KEY', multihop: 2 }
  const { speaker } = parse({}, { dynamic: [{ name: 'rack', prefix: '10.9.0.0/16', limit: 5, template }] })
  const read = { remoteAs: 'external', multihop: 2, import: acceptAll, secret: 'from the environment' }
  t.match(speaker.dynamic, [{ name: 'rack', prefix: '10.9.0.0/16', limit: 5, template: read }])
  t.throws(() => parse({}, { dynamic: [{ name: 'x', prefix: '::/0', template: { remoteAs: 1, passive: true } }] }), {
    message: /dynamic\[0\]\.template\.passive/,
  })
  t.match(only({ remoteAs: [65002, 65003] }), { remoteAs: [65002, 65003] })
})

t.test('listen ranges and confederations', async t => {
  const template = { remoteAs: ['65002', 65003], import: 'accept-all', secretEnv: 'KEY' }
  const range = { name: 'pods', prefix: '10.2.0.0/16', limit: 5, template: { ...template, remoteAs: [65002, 65003] } }
  const confederation = { identifier: 100, members: [65002] }
  const { speaker } = parse({}, { dynamic: [range], confederation })
  t.same(speaker.confederation, confederation)
  t.match(speaker.dynamic, [
    {
      name: 'pods',
      limit: 5,
      template: { remoteAs: [65002, 65003], import: acceptAll, secret: 'from the environment' },
    },
  ])
  t.throws(
    () => parse({}, { dynamic: [{ ...range, template }] }),
    /dynamic\[0\]\.template\.remoteAs\[0\] is "65002": it is not a number/,
  )
})

t.test('keys: in the file, beside it, in the environment', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'bgp-speaker-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'key'), 'from a file\n')
  const file = join(folder, 'r.json')
  const read = (peer: object) => {
    const peers = { tor: { address: '10.0.0.2', remoteAs: 65002, ...peer } }
    writeFileSync(file, JSON.stringify({ asn: 65001, routerId: '10.0.0.1', peers }))
    return readConfig(file, environment).speaker.peers.get('tor')
  }
  t.equal(read({ secret: 'literally' })?.secret, 'literally')
  t.equal(read({ secretFile: 'key' })?.secret, 'from a file', 'relative to the file, without the line end')
  t.equal(read({ secretEnv: 'KEY' })?.secret, 'from the environment')
  t.notOk('secretFile' in (read({ secretFile: 'key' }) ?? {}))

  const key = { sendId: 1, receiveId: 2, algorithm: 'hmac-sha1', maclen: 16, preferred: true }
  const tcpAo = [
    { ...key, secret: 'literally' },
    { ...key, secretFile: 'key' },
    { ...key, secretEnv: 'KEY' },
  ]
  const secrets = ['literally', 'from a file', 'from the environment']
  t.same(
    read({ tcpAo })?.tcpAo,
    secrets.map(secret => ({ ...key, secret })),
    'each key of TCP-AO, too',
  )
})

for (const [name, peer, more, says] of [
  [
    'a mistyped option',
    { holdTme: 30 },
    {},
    'r.json: peers.tor.holdTme is 30: there is no such option; did you mean holdTime?',
  ],
  [
    'a mistyped option of the router',
    {},
    { asm: 1 },
    /^r.json: asm is 1: there is no such option; did you mean asn\?$/,
  ],
  [
    'nothing like an option',
    {},
    { zzzz: 1 },
    /zzzz is 1: there is no such option; remove it; possible are asn, routerId/,
  ],
  ['a key that every object has', { constructor: 1 }, {}, /peers\.tor\.constructor is 1: there is no such option/],
  ['a number in quotes', { holdTime: '30' }, {}, /peers\.tor\.holdTime is "30": it is not a number; write digits only/],
  [
    'a word that is none',
    { nextHop: 'mine' },
    {},
    /peers\.tor\.nextHop is "mine": it is not one of auto, self, keep; use/,
  ],
  ['a flag in quotes', { passive: 'true' }, {}, /peers\.tor\.passive is "true": it is not true or false/],
  ['a list that is none', { families: 'ipv4-unicast' }, {}, /peers\.tor\.families is "ipv4-unicast": it is not a list/],
  ['one of a list', { families: ['ipv4'] }, {}, /peers\.tor\.families\[0\] is "ipv4": it is not one of ipv4-unicast/],
  [
    'an unknown family',
    { maxPrefixes: { ipv4: {} } },
    {},
    /peers\.tor\.maxPrefixes\.ipv4 is .*did you mean ipv4-unicast|possible are/,
  ],
  [
    'a limit without action',
    { maxPrefixes: { 'ipv4-unicast': { limit: 1 } } },
    {},
    /ipv4-unicast\.action is undefined: it has to be given/,
  ],
  [
    'what has to be there',
    { remoteAs: undefined },
    {},
    /peers\.tor\.remoteAs is undefined: it has to be given; add "remoteAs"/,
  ],
  [
    'a policy that is not there',
    { import: 'accept-al' },
    {},
    /peers\.tor\.import is "accept-al": there is no policy of that name; did you mean accept-all\?/,
  ],
  [
    'inside a policy at its peer',
    { export: { rules: [{ name: 'a', then: 'acept' }], otherwise: 'reject' } },
    {},
    /peers\.tor\.export\.rules\[0\]\.then is "acept"/,
  ],
  [
    'a path pattern inside a policy that no peer uses',
    {},
    { policies: { p: { rules: [{ name: 'a', when: { asPath: '(' }, then: 'accept' }], otherwise: 'nextPolicy' } } },
    /^r\.json: policies\.p\.rules\[0\]\.when\.asPath is "\(": /,
  ],
  [
    'a community inside a policy at its peer',
    {
      import: [
        'accept-all',
        { rules: [{ name: 'a', when: { communities: ['nope'] }, then: 'accept' }], otherwise: 'nextPolicy' },
      ],
    },
    {},
    /^r\.json: peers\.tor\.import\[1\]\.rules\[0\]\.when\.communities is "nope": .*\n.*import\[1\]\.otherwise is "nextPolicy"/,
  ],
  ['inside a policy by name', {}, { policies: { p: { rules: [], otherwise: 'x' } } }, /policies\.p\.otherwise is "x"/],
  [
    'a route that is none',
    {},
    { announce: ['10.0.0.1/24'] },
    /announce\[0\] is "10\.0\.0\.1\/24": it is no prefix; write it like/,
  ],
  [
    'a route whose preference is no number of its kind',
    {},
    { announce: ['10.1.0.0/24', { prefix: '10.0.0.0/24', localPref: -5 }] },
    /announce\[1\]\.localPref is -5: it does not fit into 4 octets; give a whole number/,
  ],
  [
    'a route twice',
    {},
    { announce: ['10.0.0.0/24', { prefix: '10.0.0.0/24' }] },
    /announce\[1\] is .* another entry already/,
  ],
  [
    'a station without a port',
    {},
    { bmp: [{ address: '10.0.0.9' }] },
    /bmp\[0\]\.port is undefined: it has to be given/,
  ],
  ['a station by name', {}, { bmp: [{ address: 'nms', port: 1 }] }, /bmp\[0\]\.address is "nms": it is no IP address/],
  ['a table that is none', {}, { bmp: [{ address: '10.0.0.9', port: 1, views: ['rib'] }] }, /views\[0\] is "rib"/],
  [
    'a time that is none',
    {},
    { bmp: [{ address: '10.0.0.9', port: 1, retry: 0 }] },
    /bmp\[0\]\.retry is 0: it is out of range; give 1 to 720/,
  ],
  [
    'dumps without end',
    {},
    { mrt: { table: 'x', every: 0 } },
    /mrt\.every is 0: it is no time between two files; give 1 to 86400/,
  ],
  [
    'two keys',
    { secret: 'hush', secretEnv: 'KEY' },
    {},
    /peers\.tor is "\(not shown\)": the key is given more than once/,
  ],
  [
    'two secrets for a key of TCP-AO',
    { tcpAo: [{ sendId: 1, receiveId: 1, algorithm: 'hmac-sha1', secret: 'hush', secretEnv: 'KEY' }] },
    {},
    /peers\.tor\.tcpAo\[0\] is "\(not shown\)": the key is given more than once/,
  ],
  [
    'a key of TCP-AO without an algorithm, and with an odd one',
    {
      tcpAo: [
        { sendId: 1, receiveId: 1 },
        { sendId: 2, receiveId: 2, algorithm: 'md5' },
      ],
    },
    {},
    /tcpAo\[0\]\.algorithm is undefined: it has to be given.*\n.*tcpAo\[1\]\.algorithm is "md5": it is not one of hmac-sha1/,
  ],
  [
    'a key file that is not there',
    { secretFile: 'nowhere' },
    {},
    /peers\.tor\.secretFile is "nowhere": it cannot be read \(ENOENT\)/,
  ],
  [
    'a variable that is not there',
    { secretEnv: 'NONE' },
    {},
    /peers\.tor\.secretEnv is "NONE": the environment has no such/,
  ],
  ['a peer with an odd name', {}, { peers: { 'a b': 1 } }, /peers\."a b" is 1: it is not an object/],
] as const) {
  t.test(name, async t => {
    t.throws(() => parse(peer, more), { name: 'FileError', message: says })
  })
}

t.test('all mistakes are told at once, a line each; keys are not shown', async t => {
  const wrong = () => parse({ passive: 1, secret: 12345, secrett: 'hush-hush' }, { listenPort: '179' })
  t.throws(wrong, FileError)
  t.throws(wrong, { message: /^(r\.json: .*\n){3}r\.json: .*$/ })
  t.throws(wrong, { message: /^(?!.*(12345|hush))/s })
  t.throws(
    () => parseConfig('{ "asn": 1,, }', 'r.json', {}),
    /^r\.json: the file is "r\.json": it is no JSON: .*; mend it there/,
  )
  t.throws(() => readConfig('/nowhere/r.json'), /cannot be read \(ENOENT\); check its name and rights/)
})
