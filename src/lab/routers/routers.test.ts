import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readLab } from '../file/read.ts'
import { planTopology, type RouterPlan } from '../topology.ts'
import { birdConf } from './bird.ts'
import { bgpdConf } from './frr.ts'

const routers = (lab: string): readonly RouterPlan[] => {
  const reading = readLab(readFileSync(new URL(`../../../configs/labs/${lab}.yaml`, import.meta.url), 'utf8'), lab)
  const planning = reading.ok && planTopology(reading.value)
  if (!planning || !planning.ok) throw new Error('not drawn')
  return planning.topology.routers
}

t.test('bird.conf', async t => {
  const [spine, , tor2] = routers('two-racks')
  const conf = birdConf(tor2)
  t.match(conf, /protocol bgp r2n1 \{[^}]*neighbor 10\.1\.2\.11 as 64602;[^}]*rr client;/)
  t.match(conf, /hold time 9;/)
  t.match(
    conf,
    /next hop self;\n {4}next hop address fd00:1:2::1;/,
    'IPv6 routes on the IPv4 session have an IPv6 next hop',
  )
  t.match(conf, /net ~ \[ 10\.42\.0\.0\/16\+ \]/)
  t.notMatch(birdConf(spine), /rr client/)
  t.match(conf, /graceful restart aware;/)
  const restarting = birdConf({ ...tor2, gracefulRestart: true })
  t.match(restarting, /persist;\n {2}graceful restart;\n\}[^]*graceful restart on;/)

  for (const router of routers('two-racks'))
    t.test(
      `BIRD takes it: ${router.host}`,
      { skip: !existsSync('/usr/sbin/bird') && 'bird2 is not installed' },
      async t => {
        const file = join(t.testdir({}), 'bird.conf')
        writeFileSync(file, birdConf(router))
        const { status, stderr } = spawnSync('/usr/sbin/bird', ['-p', '-c', file], { encoding: 'utf8' })
        t.equal(status, 0, stderr)
      },
    )
})

t.test('routers of a rack whose nodes share an AS', async t => {
  const [, tor1a, , tor2a] = routers('dual-tor')
  const bird = birdConf(tor1a)
  t.match(bird, /protocol bgp r1n1 \{[^}]*export filter override_65001;/)
  t.match(bird, /protocol bgp spine \{[^}]*export where source/)
  t.match(bird, /net ~ \[ 10\.46\.0\.0\/16\+, 10\.4\.1\.1\/32, /, "nodes' own addresses are let in")
  const frr = bgpdConf(tor2a)
  t.match(frr, /neighbor 10\.4\.21\.1 as-override/)
  t.notMatch(frr, /neighbor 10\.4\.255\.4 as-override/)
  t.match(frr, /ip prefix-list pods seq \d+ permit 10\.4\.2\.1\/32\n/)
})

t.test('a neighbour without an address is named by its interface', async t => {
  const [, tor1] = routers('unnumbered')
  const conf = bgpdConf(tor1)
  t.match(conf, /neighbor eth1 interface remote-as external\n neighbor eth1 capability extended-nexthop/)
  t.match(conf, /address-family ipv4 unicast\n[^!]*neighbor eth1 activate[^!]*neighbor eth1 route-map from-nodes in/)
  t.match(conf, /address-family ipv6 unicast\n[^!]*neighbor eth1 activate/)
  t.notMatch(conf, /set ipv6 next-hop|undefined/)
})

t.test('bgpd.conf', async t => {
  const [edge] = routers('route-reflector')
  const conf = bgpdConf(edge)
  t.match(conf, /network 198\.51\.100\.0\/24/)
  t.match(conf, /neighbor 10\.3\.0\.2 route-map from-nodes in/)
  t.match(conf, /ipv6 prefix-list pods seq 5 permit fd00:44::\/48 le 128/)

  t.test('FRR takes it', { skip: !existsSync('/usr/lib/frr/bgpd') && 'frr is not installed' }, async t => {
    // FRR gives up root before it reads the file.
    const dir = mkdtempSync('/tmp/margay-bgpd-')
    t.teardown(() => rmSync(dir, { recursive: true }))
    chmodSync(dir, 0o755)
    writeFileSync(join(dir, 'bgpd.conf'), conf)
    const { status, stdout, stderr } = spawnSync('/usr/lib/frr/bgpd', ['-C', '-f', join(dir, 'bgpd.conf')], {
      encoding: 'utf8',
    })
    t.equal(status, 0, stdout + stderr)
  })
})
