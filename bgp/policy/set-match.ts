// What a rule asks of the attribute set: communities, AS path, next hop, origin, LOCAL_PREF, MED.

import { contains, hostPrefix, parseAddress, parsePrefix, type Prefix } from '../../inet/index.ts'
import { type AttributeSets, HAS_MED } from '../tables/attribute-sets.ts'
import { addressOf, withZone } from '../tables/next-hops.ts'
import type { Match, NumberRange } from '../types.ts'
import { asPath, asPathContains, AttributeWalker, origins, uint32 } from '../wire/attributes.ts'
import { AsPathPattern } from './as-path-pattern.ts'
import { communityKinds, type CommunityPattern, fits, parseCommunityPattern } from './communities.ts'

type Test = (set: number) => boolean

/**
 * Whether a set is as the rule asks; undefined if the rule asks for nothing of it. `self`: what the next hop of our own
 * routes stands for.
 */
export function setMatch(sets: AttributeSets, match: Match, self: Uint8Array): Test | undefined {
  const tests = [
    match.origin && originTest(sets, match.origin),
    match.localPref && rangeTest(match.localPref, set => sets.localPref[set]),
    match.med && medTest(sets, match.med),
    match.nextHops && nextHopTest(sets, match.nextHops, self),
    match.communities && communityTest(sets, match.communities),
    (match.asPathContains ?? match.asPath) === undefined ? undefined : pathTest(sets, match),
  ].filter(test => test !== undefined)
  return tests.length === 0 ? undefined : set => tests.every(test => test(set))
}

const walker = new AttributeWalker()
/** Of which attribute of which set the walker tells: rule after rule asks for the same one. A set's octets may be moved. */
const stands = { octets: undefined as Uint8Array | undefined, serial: 0, from: 0, code: 0, found: false }

function find(sets: AttributeSets, set: number, code: number): boolean {
  const { octets } = sets
  const [serial, from] = [sets.serial[set], sets.from(set)]
  if (stands.octets !== octets || stands.serial !== serial || stands.from !== from || stands.code !== code) {
    stands.octets = octets
    stands.serial = serial
    stands.from = from
    stands.code = code
    stands.found = walker.reset(octets, from, sets.to(set)).find(code)
  }
  return stands.found
}

function originTest(sets: AttributeSets, wanted: NonNullable<Match['origin']>): Test {
  return set => wanted.includes(origins[sets.origin[set]])
}

function rangeTest({ min = 0, max = 0xffffffff }: NumberRange, value: (set: number) => number): Test {
  return set => value(set) >= min && value(set) <= max
}

function medTest(sets: AttributeSets, range: NumberRange): Test {
  const inside = rangeTest(range, set => sets.med[set])
  return set => (sets.flags[set] & HAS_MED) !== 0 && inside(set)
}

function nextHopTest(sets: AttributeSets, texts: readonly string[], self: Uint8Array): Test {
  const wanted = texts.map(parseHop).filter(prefix => prefix !== undefined)
  return set => {
    const given = sets.nextHops.octets(sets.nextHop[set])
    const octets = given.length === 0 ? addressOf(self) : withZone(addressOf(given).slice(), 0)
    const family = octets.length === 4 ? 4 : 6
    return wanted.some(prefix => contains(prefix, { family, octets }))
  }
}

/** A prefix, or an address as the prefix of itself alone; undefined if the text is neither. */
export function parseHop(text: string): Prefix | undefined {
  if (text.includes('/')) return parsePrefix(text)
  const address = parseAddress(text)
  return address && hostPrefix(address)
}

function communityTest(sets: AttributeSets, texts: readonly string[]): Test {
  const wanted = texts.map(parseCommunityPattern).filter(pattern => pattern !== undefined)
  const kinds = communityKinds.map(({ type, size }, kind) => {
    const patterns = wanted.filter(pattern => pattern.kind === kind)
    const [exact, others] = [patterns.filter(isExact), patterns.filter(pattern => !isExact(pattern))]
    const byEnd = Map.groupBy(exact, ({ value }) => uint32(value, size - 4))
    return { code: type.code, size, isAsked: patterns.length > 0, byEnd, others }
  })
  return set => kinds.some(kind => kind.isAsked && carries(set, kind))

  function carries(set: number, { code, size, byEnd, others }: (typeof kinds)[number]): boolean {
    if (!find(sets, set, code)) return false
    const { octets } = sets
    for (let at = walker.from; at < walker.to; at += size) {
      if (byEnd.get(uint32(octets, at + size - 4))?.some(pattern => fits(pattern, octets, at))) return true
      if (others.some(pattern => fits(pattern, octets, at))) return true
    }
    return false
  }
}

function isExact({ mask }: CommunityPattern): boolean {
  return mask.every(octet => octet === 255)
}

function pathTest(sets: AttributeSets, { asPathContains: asns, asPath: text }: Match): Test {
  const pattern = text === undefined ? undefined : AsPathPattern.parse(text)
  return set => {
    const { octets } = sets
    const [from, to] = find(sets, set, asPath.code) ? [walker.from, walker.to] : [0, 0]
    if (asns && !asns.some(asn => asPathContains(octets, from, to, asn))) return false
    return !pattern || ('matches' in pattern && pattern.matches(octets, from, to))
  }
}
