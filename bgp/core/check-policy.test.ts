import t from 'tap'
import type { Match, Policy, Rule, Transform } from '../types.ts'
import { checkPolicy } from './check-policy.ts'

const policy = (when: Match, set?: Transform): Policy => ({
  name: 'p',
  rules: [{ name: 'r', when, then: 'accept', set }],
  otherwise: 'reject',
})

t.test('a policy that uses everything is right', async t => {
  const when: Match = {
    prefixes: [
      { prefix: '10.0.0.0/8', min: 16 },
      { prefix: 'fd00::/8', min: 8, max: 64 },
    ],
    family: 'ipv4-unicast',
    communities: ['65001:20', '65001:*', '1:2:*', 'rt:65001:20', 'ro:10.0.0.1:*', '0x4004fde900000001', 'blackhole'],
    source: ['ebgp'],
    peers: ['tor1'],
    asPathContains: [65001],
    asPath: '65001 (64512..65534 | .)* 3356?',
    nextHops: ['10.0.0.1', 'fd00::/64'],
    origin: ['igp'],
    localPref: { min: 100 },
    med: { max: 10 },
  }
  const set: Transform = {
    localPref: 0,
    med: 'remove',
    origin: 'egp',
    prepend: { asn: 65001, count: 3 },
    setCommunities: ['graceful-shutdown'],
    addCommunities: ['1:2:3'],
    removeCommunities: ['*:*', 'rt:65001:*'],
    nextHop: 'fd00::1',
  }
  t.same(checkPolicy(policy(when, set)), [])
})

t.test('each mistake names field, value, reason and next step', async t => {
  const rows: [Match, Transform | undefined, string, RegExp][] = [
    [{ prefixes: [{ prefix: '10.0.0.1/8' }] }, undefined, 'when.prefixes', /no prefix; write it like/],
    [
      { prefixes: [{ prefix: '10.0.0.0/8', max: 7 }] },
      undefined,
      'when.prefixes',
      /from 8 to 7; give lengths from 8 to 32/,
    ],
    [{ prefixes: [{ prefix: '10.0.0.0/8', min: 8.5 }] }, undefined, 'when.prefixes', /give lengths/],
    [{ family: 'ipv4' as never }, undefined, 'when.family', /use ipv4-unicast/],
    [{ communities: ['65536:1'] }, undefined, 'when.communities', /write it like 65001:20/],
    [{ communities: ['rt:*:1'] }, undefined, 'when.communities', /write it like/],
    [{ communities: ['rt:4200000000:65536'] }, undefined, 'when.communities', /write it like/],
    [{ communities: ['rt:70000000000:1'] }, undefined, 'when.communities', /write it like/],
    [{ communities: ['1:2:4294967296'] }, undefined, 'when.communities', /write it like/],
    [{ communities: ['0x12'] }, undefined, 'when.communities', /write it like/],
    [{ communities: ['rt:fd00::1:1'] }, undefined, 'when.communities', /write it like/],
    [
      { asPath: '^65001' },
      undefined,
      'when.asPath',
      /"\^" at character 1 of "\^65001" is not understood; write it like/,
    ],
    [{ asPathContains: [-1] }, undefined, 'when.asPathContains', /no AS number; give/],
    [{ nextHops: ['here'] }, undefined, 'when.nextHops', /no address and no prefix; write/],
    [{ origin: ['bgp' as never] }, undefined, 'when.origin', /use igp, egp or incomplete/],
    [{ localPref: { min: 2, max: 1 } }, undefined, 'when.localPref', /from 2 to 1; give/],
    [{ med: { max: 4294967296 } }, undefined, 'when.med', /give min and max/],
    [{ source: ['bgp' as never] }, undefined, 'when.source', /use local, ibgp, ebgp or confed-ebgp/],
    [{}, { localPref: -1 }, 'set.localPref', /give a number/],
    [{}, { localPref: 'remove' as never }, 'set.localPref', /give a number/],
    [{}, { med: 4294967296 }, 'set.med', /give a number/],
    [{}, { origin: 'x' as never }, 'set.origin', /use igp/],
    [{}, { setCommunities: ['65001:*'] }, 'set.setCommunities', /no single community/],
    [{}, { addCommunities: ['65001'] }, 'set.addCommunities', /no single community/],
    [{}, { removeCommunities: ['x:*'] }, 'set.removeCommunities', /no community/],
    [{}, { prepend: { asn: 0, count: 1 } }, 'set.prepend.asn', /give a number/],
    [{}, { prepend: { asn: 1, count: 33 } }, 'set.prepend.count', /give 0 to 32/],
    [{}, { nextHop: '224.0.0.1' }, 'set.nextHop', /a multicast or reserved address; write self for our own/],
    [{}, { nextHop: '0.0.0.0' }, 'set.nextHop', /it is in 0\.0\.0\.0\/8/],
    [{}, { nextHop: 'peer' }, 'set.nextHop', /write self for our own/],
  ]
  for (const [when, set, field, text] of rows) {
    const issues = checkPolicy(policy(when, set))
    t.match(issues, [{ field: `p.r.${field}` }], field)
    t.match(`${issues[0]?.reason}; ${issues[0]?.fix}`, text)
  }
  const odd = { name: 'p', rules: [{ name: 'r', then: 'drop' }], otherwise: 'next' } as unknown as Policy
  t.same(
    checkPolicy(odd).map(({ field }) => field),
    ['p.r.then', 'p.otherwise'],
  )
})

t.test('what a list of policies must be', async t => {
  const one = (otherwise: Policy['otherwise'], then: Rule['then'] = 'next'): Policy => ({
    name: 'p',
    rules: [{ name: 'r', then }],
    otherwise,
  })
  t.same(checkPolicy([one('nextPolicy', 'nextPolicy'), one('reject')]), [])
  t.match(checkPolicy([]), [{ reason: /an empty list decides nothing/ }])
  t.match(checkPolicy([one('accept'), one('nextPolicy')]), [{ field: 'p.otherwise', reason: /no policy behind/ }])
  t.match(checkPolicy(one('accept', 'nextPolicy')), [{ field: 'p.r.then', fix: /decide here, or add another policy/ }])
})
