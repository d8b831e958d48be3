// What this node takes from its peers and what it tells them, as rules.
//
// Import: everything but routes into our own blocks, and default routes unless the BGPPeer takes them.
// Export: our own blocks and nothing else. A reflector passes on besides what reflection is for (RFC 4456 §6): to iBGP peers
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
export function planPolicies(own: readonly string[], pools: readonly IPPoolResource[], reflector: boolean): PolicyBook {
  const imports = { plain: importPolicy(own, false), withDefault: importPolicy(own, true) }
  const toEbgp = reflector ? reflectToEbgp(pools) : ownOnly
  return {
    import: session => (session.acceptDefault ? imports.withDefault : imports.plain),
    export: session => {
      if (session.kind === 'ebgp') return toEbgp
      if (!reflector) return ownOnly
      return session.nextHop === 'keep' ? reflectUnchanged : reflect
    },
  }
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
