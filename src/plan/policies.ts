// What this node takes from its peers and what it tells them, as rules.
//
// Import: everything but routes into our own blocks, and default routes unless the BGPPeer takes them.
// Export: our own blocks and nothing else; to routers also the node's own address where it stands on the loopback (nodes reach it
// by the routers, or by what the machine was given). A reflector passes on besides what reflection is for (RFC 4456 §6): to iBGP peers
// all routes of other iBGP peers, and those of its eBGP peers with itself as next hop; to eBGP peers the blocks of its clients.

import { bitsOf, parsePrefix } from '../../inet/index.ts'
import type { Policy, PrefixRange, Rule } from '../../bgp/types.ts'
import type { IPPoolResource } from '../resources/index.ts'
import type { Session } from './session.ts'

export interface PolicyBook {
  readonly import: (session: Session) => Policy
  readonly export: (session: Session) => Policy
}

/** One object per distinct policy, so that sessions with equal policies share an update group. */
export function planPolicies(
  own: readonly string[],
  hosts: readonly string[],
  pools: readonly IPPoolResource[],
  reflector: boolean,
): PolicyBook {
  const mine = [...own, ...hosts]
  const imports = { plain: importPolicy(mine, false), withDefault: importPolicy(mine, true) }
  const toRouters = planExports(pools, reflector)
  const toNodes = hosts.length > 0 ? withoutHosts(toRouters, hosts) : toRouters
  return {
    import: session => (session.acceptDefault ? imports.withDefault : imports.plain),
    export: session => {
      const exports = session.withNode ? toNodes : toRouters
      if (session.kind === 'ebgp') return exports.ebgp
      return session.nextHop === 'keep' ? exports.ibgpUnchanged : exports.ibgp
    },
  }
}

interface Exports {
  readonly ebgp: Policy
  readonly ibgp: Policy
  /** To a peer that wants next hops as they were received. */
  readonly ibgpUnchanged: Policy
}

function planExports(pools: readonly IPPoolResource[], reflector: boolean): Exports {
  if (!reflector) return { ebgp: ownOnly, ibgp: ownOnly, ibgpUnchanged: ownOnly }
  return { ebgp: reflectToEbgp(pools), ibgp: reflect, ibgpUnchanged: reflectUnchanged }
}

function withoutHosts({ ebgp, ibgp, ibgpUnchanged }: Exports, hosts: readonly string[]): Exports {
  const rule: Rule = {
    name: 'own address',
    when: { source: ['local'], prefixes: hosts.flatMap(insideOf) },
    then: 'reject',
  }
  const without = (policy: Policy): Policy => ({
    ...policy,
    name: `${policy.name}-of-pods`,
    rules: [rule, ...policy.rules],
  })
  return { ebgp: without(ebgp), ibgp: without(ibgp), ibgpUnchanged: without(ibgpUnchanged) }
}

function importPolicy(own: readonly string[], acceptDefault: boolean): Policy {
  const rules: Rule[] = []
  if (own.length > 0) rules.push({ name: 'own blocks', when: { prefixes: own.flatMap(insideOf) }, then: 'reject' })
  if (!acceptDefault) {
    rules.push({
      name: 'default route',
      when: { prefixes: [{ prefix: '0.0.0.0/0' }, { prefix: '::/0' }] },
      then: 'reject',
    })
  }
  return { name: acceptDefault ? 'import-with-default' : 'import', rules, otherwise: 'accept' }
}

const ownBlocks: Rule = { name: 'own blocks', when: { source: ['local'] }, then: 'accept' }
const fromIbgp: Rule = { name: 'reflected', when: { source: ['ibgp'] }, then: 'accept' }

const ownOnly: Policy = { name: 'own-blocks', rules: [ownBlocks], otherwise: 'reject' }

const reflect: Policy = {
  name: 'reflect',
  rules: [
    ownBlocks,
    fromIbgp,
    { name: 'from outside', when: { source: ['ebgp'] }, then: 'accept', set: { nextHop: 'self' } },
  ],
  otherwise: 'reject',
}

const reflectUnchanged: Policy = { name: 'reflect-unchanged', rules: [], otherwise: 'accept' }

function reflectToEbgp(pools: readonly IPPoolResource[]): Policy {
  const announced = pools.filter(pool => !pool.spec.disableBGPExport).flatMap(pool => insideOf(pool.spec.cidr))
  if (announced.length === 0) return ownOnly
  const clients: Rule = { name: "clients' blocks", when: { source: ['ibgp'], prefixes: announced }, then: 'accept' }
  return { name: 'own-and-clients-blocks', rules: [ownBlocks, clients], otherwise: 'reject' }
}

/** The prefix and all prefixes inside it. */
function insideOf(text: string): readonly PrefixRange[] {
  const prefix = parsePrefix(text)
  return prefix ? [{ prefix: text, min: prefix.length, max: bitsOf(prefix.family) }] : []
}
