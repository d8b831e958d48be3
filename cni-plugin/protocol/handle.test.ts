import t from 'tap'
import { CniError, code } from './errors.ts'
import { FakeBackend } from './fake-backend.ts'
import { handle } from './handle.ts'
import { supportedVersions } from './versions.ts'

type Tap = Pick<typeof t, 'equal' | 'notOk'>

const versions = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const

const podEnv = { CNI_CONTAINERID: 'c1', CNI_NETNS: '/run/netns/p1', CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' }
const conf = (cniVersion: string, more: object = {}) =>
  JSON.stringify({ cniVersion, name: 'pods', type: 'margay-cni', ...more })

/** Runs a call and checks what holds for all: JSON or nothing on stdout, nothing on stderr. */
async function call(
  t: Tap,
  backend: FakeBackend,
  command: string,
  stdin: string,
  env: object = {},
  signal?: AbortSignal,
) {
  const { exitCode, stdout, stderr } = await handle(
    { env: { ...podEnv, CNI_COMMAND: command, ...env }, stdin },
    backend,
    signal,
  )
  t.equal(stderr, '')
  const out = stdout === '' ? undefined : (JSON.parse(stdout) as Record<string, unknown>)
  t.notOk(out?.details && String(out.msg).endsWith('.'), 'runtimes join msg and details')
  t.equal(exitCode === 0, out?.code === undefined, 'an error object and only that goes with a non-zero exit code')
  return { exitCode, out }
}

for (const version of versions) {
  const old = version === '0.3.1' || version === '0.4.0'

  t.test(`${version}: VERSION`, async t => {
    const { out } = await call(t, new FakeBackend(), 'VERSION', JSON.stringify({ cniVersion: version }))
    t.same(out, { cniVersion: version, supportedVersions })
  })

  t.test(`${version}: a pod's name forges no line`, async t => {
    const backend = new FakeBackend()
    const forged = { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=\x1b[31mweb\nfake' }
    await call(t, backend, 'ADD', conf(version), forged)
    t.equal(backend.endpoints.get('pods/c1/eth0')?.label, 'shop/ [31mweb fake')
  })

  t.test(`${version}: ADD, CHECK, DEL`, async t => {
    const backend = new FakeBackend()
    const { out } = await call(t, backend, 'ADD', conf(version, { dns: { nameservers: ['10.42.0.53'] } }), {
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0',
    })
    t.strictSame(out, {
      cniVersion: version,
      interfaces: [
        { name: 'mgyc1', mac: 'ee:ee:ee:ee:ee:ee' },
        { name: 'eth0', mac: '02:00:00:00:00:05', ...(version === '1.1.0' && { mtu: 1500 }), sandbox: '/run/netns/p1' },
      ],
      ips: [
        { ...(old && { version: '4' }), address: '10.42.0.5/32', interface: 1 },
        { ...(old && { version: '6' }), address: 'fd00:42::5/128', interface: 1 },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0' }],
      dns: { nameservers: ['10.42.0.53'] },
    })
    t.equal(backend.endpoints.get('pods/c1/eth0')?.label, 'shop/web-0')

    const check = await call(t, backend, 'CHECK', conf(version, { prevResult: out }))
    if (version === '0.3.1') t.match(check.out, { code: 1, msg: /0\.3\.1 has no CHECK/, details: /0\.4\.0/ })
    else t.equal(check.out, undefined)

    for (let i = 0; i < 3; i++)
      t.equal((await call(t, backend, 'DEL', conf(version), { CNI_NETNS: undefined })).out, undefined)
    t.equal(backend.endpoints.size, 0)
    if (version !== '0.3.1')
      t.match((await call(t, backend, 'CHECK', conf(version, { prevResult: out }))).out, {
        code: 103,
        msg: /not as ADD made it/,
      })
  })

  t.test(`${version}: a second ADD is refused and the first left alone`, async t => {
    const backend = new FakeBackend()
    await call(t, backend, 'ADD', conf(version))
    const before = backend.endpoints.get('pods/c1/eth0')
    t.match((await call(t, backend, 'ADD', conf(version))).out, {
      cniVersion: version,
      code: 101,
      msg: /eth0 of container c1 exists already/,
    })
    t.equal(backend.endpoints.get('pods/c1/eth0'), before)
  })

  t.test(`${version}: an ADD that fails or is given up leaves nothing`, async t => {
    const backend = new FakeBackend()
    t.match((await call(t, backend, 'ADD', conf(version), { CNI_NETNS: '/gone' })).out, {
      code: 4,
      msg: /CNI_NETNS "\/gone" does not exist/,
    })
    t.match((await call(t, backend, 'ADD', conf(version), { CNI_NETNS: '/proc/1/ns/net' })).out, {
      code: 8,
      msg: /namespace of the node itself/,
    })
    t.same(backend.calls, [], 'no address was taken')

    backend.failure = new CniError(code.noAddressLeft, 'ippool "default": no address is left.')
    t.match((await call(t, backend, 'ADD', conf(version))).out, { code: 100, msg: /ippool "default"/ })
    backend.failure = new Error('netlink: no buffer space')
    t.match((await call(t, backend, 'ADD', conf(version))).out, { code: 999, msg: /no buffer space/ })
    t.equal(backend.endpoints.size, 0)

    backend.failure = undefined
    t.match((await call(t, backend, 'ADD', conf(version), {}, AbortSignal.abort())).out, { code: 11 })
    t.equal(backend.endpoints.size, 0)
  })

  t.test(`${version}: GC and STATUS`, async t => {
    const backend = new FakeBackend()
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] }
    if (version !== '1.1.0') {
      for (const command of ['GC', 'STATUS'])
        t.match((await call(t, backend, command, conf(version, valid))).out, {
          code: 1,
          msg: new RegExp(`has no ${command}`),
        })
      return
    }
    for (const id of ['c1', 'c2']) await call(t, backend, 'ADD', conf(version), { CNI_CONTAINERID: id })
    await call(t, backend, 'ADD', conf(version, { name: 'other' }), { CNI_CONTAINERID: 'c3' })
    const nobody = { CNI_CONTAINERID: undefined, CNI_IFNAME: undefined, CNI_NETNS: undefined }

    for (const nothing of [
      { containerID: '', ifname: '' },
      { containerID: 'c1', ifname: '' },
    ]) {
      const { out } = await call(t, backend, 'GC', conf(version, { 'cni.dev/valid-attachments': [nothing] }), nobody)
      t.match(out, { code: 7, msg: /is no attachment/ }, 'names of nothing free nothing')
    }
    t.equal((await call(t, backend, 'GC', conf(version), nobody)).out, undefined)
    t.equal(backend.endpoints.size, 3, 'a runtime that does not say what is valid frees nothing')
    await call(t, backend, 'GC', conf(version, valid), nobody)
    t.same([...backend.endpoints.keys()], ['pods/c1/eth0', 'other/c3/eth0'])
    await call(t, backend, 'GC', conf(version, { 'cni.dev/valid-attachments': [] }), nobody)
    t.same([...backend.endpoints.keys()], ['other/c3/eth0'])

    t.equal((await call(t, backend, 'STATUS', conf(version), nobody)).out, undefined)
    backend.state = new CniError(code.limitedConnectivity, 'No BGP peer is up.')
    t.match((await call(t, backend, 'STATUS', conf(version), nobody)).out, { code: 51, msg: /No BGP peer/ })
  })

  t.test(`${version}: behind another plugin, its result is passed on`, async t => {
    const ip = { ...(old && { version: '4' }), address: '192.168.0.2/24', interface: 0 }
    const prevResult = {
      cniVersion: version,
      interfaces: [{ name: 'net1', sandbox: '/run/netns/p1' }],
      ips: [ip],
      routes: [{ dst: '192.168.0.0/16' }],
      dns: { domain: 'x' },
    }
    const { out } = await call(t, new FakeBackend(), 'ADD', conf(version, { prevResult }))
    t.match(out, {
      interfaces: [{ name: 'net1' }, { name: 'mgyc1' }, { name: 'eth0' }],
      ips: [ip, { interface: 2 }, { interface: 2 }],
      dns: { domain: 'x' },
    })
    t.match(out, { routes: { length: 3 } })

    const taken = { ...prevResult, interfaces: [{ name: 'eth0', sandbox: '/run/netns/p1' }] }
    t.match((await call(t, new FakeBackend(), 'ADD', conf(version, { prevResult: taken }))).out, {
      code: 101,
      msg: /a plugin before margay-cni in the chain has made eth0 in the container already/,
      details: /leave one of them out/,
    })
  })
}

t.test('the shape before 0.3.0', async t => {
  for (const stdin of [conf('0.2.0'), JSON.stringify({ name: 'pods' })]) {
    const { out } = await call(t, new FakeBackend(), 'ADD', stdin)
    t.match(out, {
      ip4: { ip: '10.42.0.5/32', routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }] },
      ip6: { ip: 'fd00:42::5/128' },
      interfaces: undefined,
      ips: undefined,
    })
  }
})

t.test('bad calls name what is wrong', async t => {
  const ok = conf('1.0.0')
  for (const [name, command, stdin, env, want] of [
    ['unknown command', 'EXPLODE', ok, {}, { code: 4, msg: /CNI_COMMAND is "EXPLODE"/ }],
    [
      'no container id',
      'ADD',
      ok,
      { CNI_CONTAINERID: '' },
      { code: 4, msg: /CNI_CONTAINERID is not set, and ADD needs it/ },
    ],
    [
      'nothing set',
      'CHECK',
      ok,
      { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined },
      { code: 4, msg: /CNI_CONTAINERID and CNI_NETNS and CNI_IFNAME are not set/ },
    ],
    ['no namespace', 'ADD', ok, { CNI_NETNS: undefined }, { code: 4, msg: /CNI_NETNS is not set/ }],
    ['a path for an id', 'ADD', ok, { CNI_CONTAINERID: '../x' }, { code: 4, msg: /CNI_CONTAINERID "\.\.\/x"/ }],
    ['a very long id', 'ADD', ok, { CNI_CONTAINERID: 'x'.repeat(129) }, { code: 4, msg: /has 129 octets/ }],
    ['a long interface', 'ADD', ok, { CNI_IFNAME: 'sixteencharacters' }, { code: 4, msg: /CNI_IFNAME "sixteen/ }],
    ['an interface with a slash', 'DEL', ok, { CNI_IFNAME: 'a/b' }, { code: 4, msg: /CNI_IFNAME/ }],
    ['args without value', 'ADD', ok, { CNI_ARGS: 'IgnoreUnknown' }, { code: 4, msg: /CNI_ARGS has "IgnoreUnknown"/ }],
    ['no JSON', 'ADD', '{', {}, { code: 6, msg: /is no JSON object/ }],
    ['nothing on stdin', 'ADD', '', {}, { code: 6, msg: /stdin is empty/ }],
    ['no name', 'ADD', '{"cniVersion":"1.0.0"}', {}, { code: 7, msg: /name is missing/ }],
    ['an empty name', 'DEL', '{"cniVersion":"1.0.0","name":""}', {}, { code: 7, msg: /name "" is missing/ }],
    ['a bad name', 'ADD', conf('1.0.0', { name: 'a b' }), {}, { code: 7, msg: /name "a b"/ }],
    ['a bad MTU', 'ADD', conf('1.0.0', { mtu: '1500' }), {}, { code: 7, msg: /mtu "1500"/ }],
    ['a bad flag', 'ADD', conf('1.0.0', { sourceCheck: 'no' }), {}, { code: 7, msg: /sourceCheck "no" is neither/ }],
    ...[
      'IP=10.42.0.7;IP=10.42.0.8',
      'MAC=02:00:00:00:00:01;MAC=02:00:00:00:00:02',
      'K8S_POD_NAME=a;K8S_POD_NAME=b',
    ].map((args): readonly [string, string, string, object, object] => [
      `two words for one thing: ${args}`,
      'ADD',
      ok,
      { CNI_ARGS: args },
      { code: 4, msg: /CNI_ARGS: \w+ ".*" (is a second one of its family|comes after)/ },
    ]),
    [
      'a bad address',
      'ADD',
      ok,
      { CNI_ARGS: 'IP=10.42.0' },
      { code: 4, msg: /CNI_ARGS: IP "10\.42\.0" is no address/ },
    ],
    ...['IP=', 'IgnoreUnknown=1;IP=;K8S_POD_NAME=a', 'IP=10.42.0.7,', 'IP=10.42.0.7;IP='].map(
      (args): readonly [string, string, string, object, object] => [
        `no address: ${args}`,
        'ADD',
        ok,
        { CNI_ARGS: args },
        { code: 4, msg: /CNI_ARGS: IP "" is no address/, details: /like 10\.42\.0\.5, or leave it out/ },
      ],
    ),
    ['an empty MAC', 'ADD', ok, { CNI_ARGS: 'MAC=' }, { code: 4, msg: /MAC "" is no MAC address/ }],
    ...['all', 'default', 'e%d'].map((name): readonly [string, string, string, object, object] => [
      `a name that no link can have: ${name}`,
      'ADD',
      ok,
      { CNI_IFNAME: name },
      { code: 4, msg: new RegExp(`CNI_IFNAME "${name}" is no name for a link`) },
    ]),
    [
      'a prevResult with an address that is none',
      'ADD',
      conf('1.0.0', { prevResult: { ips: [{ address: 'x' }] } }),
      {},
      { code: 7, msg: /"x" is no address with its length/ },
    ],
    [
      'a bad address in the configuration',
      'ADD',
      conf('1.0.0', { args: { cni: { ips: [5] } } }),
      {},
      { code: 7, msg: /ips 5/ },
    ],
    ...(
      [
        ['mac', 'no MAC address', '02:42:0a:2a:00'],
        ['mac', 'a multicast address', '01:00:00:00:00:01'],
        ['mac', 'all zero', '00:00:00:00:00:00'],
        ['mac', "that of the node's ends", 'EE:ee:ee:ee:ee:ee'],
      ] as const
    ).flatMap(([key, what, mac]) => [
      [
        `a MAC that is ${what}`,
        'ADD',
        ok,
        { CNI_ARGS: `MAC=${mac}` },
        { code: 4, msg: new RegExp(`CNI_ARGS: MAC "${mac}" is ${what}`) },
      ] as const,
      [
        `a MAC that is ${what}, in the configuration`,
        'ADD',
        conf('1.0.0', { runtimeConfig: { mac } }),
        {},
        { code: 7, msg: new RegExp(`${key} "${mac}" is ${what}`) },
      ] as const,
    ]),
    ...Object.entries({
      ipam: 5,
      args: 'x',
      'args.cni': [],
      runtimeConfig: true,
      dns: 5,
      'dns.nameservers': '10.42.0.53',
      'dns.domain': 5,
      'runtimeConfig.dns': 5,
      'runtimeConfig.dns.servers': [5],
      'ipam.routes': {},
      'ipam.ipv4_pools': 5,
      sysctl: 5,
      socket: 5,
      spoolDir: 'relative',
    }).map(([path, value]) => {
      const more = path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object
      const shown = `${path.replace(/^ipam\.(?=ipv)/, '')} ${JSON.stringify(value)} is no `
      return [`${path} of a wrong type`, 'ADD', conf('1.0.0', more), {}, { code: 7, msg: `: ${shown}` }] as const
    }),
    [
      'a bad prevResult',
      'ADD',
      conf('1.0.0', { prevResult: { ips: [{}] } }),
      {},
      { code: 7, msg: /prevResult cannot be read: one of its ips has no address/ },
    ],
    ['CHECK without prevResult', 'CHECK', ok, {}, { code: 7, msg: /prevResult is missing/ }],
    [
      'CHECK of another interface',
      'CHECK',
      conf('1.0.0', { prevResult: { interfaces: [{ name: 'eth1', sandbox: '/x' }] } }),
      {},
      { code: 7, msg: /no interface eth0/ },
    ],
    [
      'a version to come',
      'ADD',
      conf('2.0.0'),
      {},
      { cniVersion: '2.0.0', code: 1, msg: /"2\.0\.0" is not supported/, details: /0\.1\.0, .*1\.1\.0/ },
    ],
  ] as const) {
    const backend = new FakeBackend()
    const { out, exitCode } = await call(t, backend, command, stdin, env)
    t.match(out, { cniVersion: String, ...want }, name)
    t.equal(exitCode, 1)
    t.same(backend.calls, [])
  }
})

t.test('a DEL needs only its target', async t => {
  const backend = new FakeBackend()
  const { out } = await call(t, backend, 'DEL', conf('1.0.0', { prevResult: 'broken', mtu: 'x', unknownKey: 1 }), {
    CNI_ARGS: 'nonsense',
  })
  t.equal(out, undefined)
  t.same(backend.calls, ['del pods/c1/eth0'])
})

t.test('VERSION does not look at the rest', async t => {
  for (const stdin of ['', '{', '{"cniVersion":5}']) {
    const { out } = await call(t, new FakeBackend(), 'VERSION', stdin, { CNI_CONTAINERID: undefined })
    t.same(out, { cniVersion: '1.1.0', supportedVersions })
  }
})

t.test('what a runtime may ask for', async t => {
  for (const [env, more, want] of [
    [{ CNI_ARGS: 'IP=10.42.0.77;MAC=02:42:0A:00:00:01' }, {}, { addresses: ['10.42.0.77'], mac: '02:42:0a:00:00:01' }],
    [
      {},
      { runtimeConfig: { ips: ['10.42.0.78/26', 'fd00:42::78'], mac: '02:42:0a:00:00:02' } },
      { addresses: ['10.42.0.78', 'fd00:42::78'], mac: '02:42:0a:00:00:02' },
    ],
    [{}, { args: { cni: { ips: ['10.42.0.79'] } }, mtu: 1400 }, { addresses: ['10.42.0.79'], mtu: 1400 }],
    [{ CNI_ARGS: 'IP=10.42.0.77;IP=10.42.0.77;X=1;X=2' }, {}, { addresses: ['10.42.0.77'] }],
    [{ CNI_ARGS: 'IP=fd00:42::77;IP=10.42.0.77' }, {}, { addresses: ['fd00:42::77', '10.42.0.77'] }],
    [{}, { sourceCheck: false }, { sourceCheck: false }],
    [{}, { args: { cni: { sourceCheck: false } } }, { sourceCheck: false }],
    [{}, { sourceCheck: false, args: { cni: { sourceCheck: true } } }, { sourceCheck: undefined }],
    [{}, { sourceCheck: true }, { sourceCheck: undefined }],
  ] as const) {
    const backend = new FakeBackend()
    await call(t, backend, 'ADD', conf('1.0.0', more), env)
    t.match(backend.endpoints.get('pods/c1/eth0'), want)
  }
})

t.test('an error names the version that was asked for, and of a configuration without one the first', async t => {
  for (const [stdin, version] of [
    ['{}', '0.1.0'],
    ['{"cniVersion":"","name":"a b"}', '0.1.0'],
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":5}', '1.1.0'],
    ['{', '1.1.0'],
  ]) {
    const { stdout } = await handle({ env: { CNI_COMMAND: 'STATUS' }, stdin }, new FakeBackend())
    t.equal((JSON.parse(stdout) as { readonly cniVersion: string }).cniVersion, version, stdin)
  }
})

t.test('GC reads the list of attachments by either of its names', async t => {
  const backend = new FakeBackend()
  for (const id of ['c1', 'c2']) await call(t, backend, 'ADD', conf('1.1.0'), { CNI_CONTAINERID: id })
  const list = [{ containerID: 'c1', ifname: 'eth0' }]
  await call(t, backend, 'GC', conf('1.1.0', { 'cni.dev/attachments': list }))
  t.same([...backend.endpoints.keys()], ['pods/c1/eth0'])
  await call(t, backend, 'GC', conf('1.1.0', { 'cni.dev/valid-attachments': [], 'cni.dev/attachments': list }))
  t.same([...backend.endpoints.keys()], [])
})

t.test('a person who runs it by hand learns what it is', async t => {
  const { exitCode, stdout, stderr } = await handle({ env: {}, stdin: '' }, new FakeBackend())
  t.same([exitCode, stdout], [0, ''])
  t.match(stderr, /CNI plugin/)
})

t.test('CHECK is told what MAC and MTU may be where they were asked for', async t => {
  const backend = new FakeBackend()
  const { out } = await call(t, backend, 'ADD', conf('1.1.0'))
  const stdin = (more: object) => conf('1.1.0', { prevResult: out, ...more })
  await call(t, backend, 'CHECK', stdin({}))
  t.notMatch(backend.checked, { macs: [] })
  t.notMatch(backend.checked, { mtus: [] })
  await call(t, backend, 'CHECK', stdin({ mtu: 1400 }), { CNI_ARGS: 'IgnoreUnknown=1;MAC=02:42:0a:2a:00:05' })
  t.match(backend.checked, { macs: ['02:00:00:00:00:05'], mtus: [1500] }, 'as the last plugin left them')
})
