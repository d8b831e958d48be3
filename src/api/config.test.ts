import t from 'tap'
import { ConfigError, loadConfig, parseConfig, requireNodeName } from './config.ts'

const parse = (text: string) => parseConfig(text, '/etc/margay/margayd.yaml', 'host7')

t.test('an empty file is the default node', async t => {
  t.match(parse(''), {
    node: { name: 'host7' },
    datastore: { type: 'embedded', path: '/var/lib/margay/cluster.db' },
    dataplane: {
      routeProtocol: 81,
      routeTable: 254,
      routeMetric: 1024,
      mtu: undefined,
      clampMss: false,
      forwardAccept: false,
      vxlanChecksumOffload: true,
    },
    cni: { socket: '/run/margay/cni.sock' },
    log: { level: 'info', format: 'text' },
  })
})

t.test('relative paths are relative to the file', async t => {
  const { datastore, stateDir, api } = parse(
    'datastore: { path: ../shared/cluster.db }\nstateDir: state\napi: { socket: /run/x.sock }\n',
  )
  t.same(datastore, { type: 'embedded', path: '/etc/shared/cluster.db' })
  t.equal(stateDir, '/etc/margay/state')
  t.equal(api.socket, '/run/x.sock')
})

t.test('an etcd', async t => {
  const text = `datastore:
  type: etcd
  endpoints: [https://10.0.0.11:2379, https://10.0.0.12:2379]
  timeout: 3
  tls: { ca: pki/ca.pem, cert: pki/node.pem, key: pki/node.key }
  auth: { username: margay, passwordFile: password }`
  t.same(parse(text).datastore, {
    type: 'etcd',
    endpoints: ['https://10.0.0.11:2379', 'https://10.0.0.12:2379'],
    prefix: '/margay',
    pageSize: 500,
    timeout: 3000,
    tls: { ca: '/etc/margay/pki/ca.pem', cert: '/etc/margay/pki/node.pem', key: '/etc/margay/pki/node.key' },
    auth: { username: 'margay', passwordFile: '/etc/margay/password' },
  })
})

t.test('every fault is one refusal with object, value, reason, place and next step', async t => {
  for (const [text, sentence] of [
    [
      'datstore: {}',
      /margayd\.yaml: datstore is not a field\.\n {2}\/etc\/margay\/margayd\.yaml:1:1 {3}The fields of margayd\.yaml are node.*\n {2}Did you mean datastore\?/,
    ],
    [
      'log:\n  level: loud',
      /margayd\.yaml: log\.level loud is not one of its values\.\n {2}\S+:2:10 {3}It takes info, debug, warn, error\./,
    ],
    ['dataplane: { clampMss: 1400 }', /dataplane\.clampMss 1400 is neither true nor false/],
    ['dataplane: { routeProtocol: 4 }', /dataplane\.routeProtocol 4 is not a whole number from 5 to 255/],
    ['dataplane: { routeProtocol: 12 }', /dataplane\.routeProtocol 12 marks routes of another program.*\n.*\n.*Use 81/],
    ['dataplane: { routeProtocol: 196 }', /dataplane\.routeProtocol 196 marks routes of another program/],
    ['dataplane: { routeProtocol: 80 }', /dataplane\.routeProtocol 80 marks routes of another program/],
    ['dataplane: { routeTable: 255 }', /dataplane\.routeTable 255 is a table of the kernel itself/],
    ['dataplane: { routeTable: 0 }', /dataplane\.routeTable 0 is not a whole number from 1 to/],
    ['dataplane: { mtu: 576 }', /dataplane\.mtu 576 is not a whole number from 1280 to 65535/],
    ['datastore: { type: etcd }', /datastore\.endpoints is missing\. Name the members/],
    ['datastore: { endpoints: ["http://a:1"] }', /but its type is embedded\. Write type: etcd/],
    [
      'datastore: { type: etcd, endpoints: [10.0.0.1:2379] }',
      /datastore\.endpoints\S* 10\.0\.0\.1:2379 is not an endpoint/,
    ],
    ['datastore: { type: etcd, endpoints: ["http://a:1", "https://b:1"] }', /some with TLS and some without/],
    [
      'datastore: { type: etcd, endpoints: ["http://a:1"], tls: { ca: x } }',
      /tls is set, but the endpoints speak no TLS/,
    ],
    ['datastore: { type: etcd, endpoints: ["https://a:1"], tls: { key: x } }', /only one of cert and key/],
    [
      'datastore: { type: etcd, endpoints: ["http://a:1"], auth: { username: u } }',
      /one of passwordFile and passwordEnv/,
    ],
    [
      'datastore: { type: etcd, endpoints: ["http://a:1"], auth: { username: u, password: p } }',
      /password is not a field/,
    ],
    ['node: rack1', /node rack1 is not a mapping/],
    [
      'node: { address: { ipv4: eth0 } }',
      /node\.address\.ipv4 eth0 is no way to find an address\.\n.*It takes first-found/,
    ],
    ['node: { address: { ipv6: cidr=10.0.0.0/8 } }', /node\.address\.ipv6 .*\n.*10\.0\.0\.0\/8 is no IPv6 network/],
    ['node: { name: Rack_1 }', /node\.name Rack_1 is not a name/],
    ['cni: [', /margayd\.yaml: not YAML: /],
    ['just words', /margayd\.yaml: the file just words is not a mapping/],
  ] as const)
    t.throws(() => parse(text), { message: sentence }, text)
})

t.test('a host whose name no Node can have needs a node.name to be a node, and none to run margayctl', t => {
  const config = parseConfig('', '/etc/margay/margayd.yaml', 'Rack_1')
  t.throws(() => requireNodeName(config, '/f.yaml'), {
    message: /the name of this host, rack_1, is none that a Node can have\.[^]*Set node\.name in \/f\.yaml/,
  })
  t.doesNotThrow(() => requireNodeName({ ...config, node: { name: 'rack-1' } }, '/f.yaml'))
  t.equal(parseConfig('', '/f.yaml', 'Rack1-N7').node.name, 'rack1-n7', 'names of nodes have no capitals')
  t.end()
})

t.test('a missing file says what to do', async t => {
  const error = t.throws(() => loadConfig('/nonexistent/margayd.yaml', 'host7'))
  t.ok(error instanceof ConfigError)
  t.match(error, {
    message:
      /\/nonexistent\/margayd\.yaml cannot be read \(ENOENT\): write one as docs\/configuration\.md shows, or name another with --config FILE/,
  })
})
