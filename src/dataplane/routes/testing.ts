// Random wishes and random deeds of others for tests of the route table, and what must come of them.

import * as fc from 'fast-check'
import type { Operation, Route } from '../../../netlink/types.ts'
import { type FibClass, fibClasses, type FibEntry, type NextHop } from '../../model/fib.ts'

export const prefixes = ['10.42.0.0/26', '10.42.1.0/26', '10.42.0.5/32', 'fd00:42::/122']

export type Step =
  | { readonly do: 'set'; readonly owner: FibClass; readonly entries: readonly FibEntry[] }
  | { readonly do: 'patch'; readonly owner: FibClass; readonly prefix: string; readonly entry?: FibEntry }
  /** Another program writes a route; `lost`: and the kernel drops the event. */
  | { readonly do: 'foreign' | 'lost'; readonly act: ForeignAct }
  | { readonly do: 'flap'; readonly link: 'eth0' | 'eth1' }
  | { readonly do: 'readdress' }
  | { readonly do: 'refuse'; readonly every: number }
  | { readonly do: 'restart' }
  | { readonly do: 'wait' }

const isSix = (prefix: string): boolean => prefix.includes(':')

const entry = (prefix: string): fc.Arbitrary<FibEntry> => {
  const gateways = isSix(prefix) ? ['fd00:1::1', 'fd00:1::2'] : ['10.0.1.1', '10.0.1.2', '10.0.2.1']
  return fc.oneof(
    fc.constant<FibEntry>({ prefix, kind: 'unreachable', nextHops: [] }),
    fc.record({
      prefix: fc.constant(prefix),
      kind: fc.constant('unicast'),
      nextHops: fc.subarray(gateways, { minLength: 1 }).chain(some => fc.tuple(...some.map(nextHop))),
      mtu: fc.option(fc.constantFrom(1400, 1450), { nil: undefined, freq: 4 }),
    }),
  )
}

const nextHop = (gateway: string): fc.Arbitrary<NextHop> =>
  fc.constantFrom(undefined, undefined, 2, 7).map(weight => ({
    gateway,
    device: gateway.startsWith('10.0.2') ? 'eth1' : 'eth0',
    ...(weight !== undefined && { weight }),
  }))

const owner = fc.constantFrom(...fibClasses)
const prefix = fc.constantFrom(...prefixes)

export interface ForeignAct {
  readonly verb: 'route.add' | 'route.replace' | 'route.delete'
  readonly dst: string
  readonly metric: number
  readonly protocol: number
  /** Of the next hops that our own routes have, in shares of its own; none: by one that we never use. */
  readonly weights: readonly number[]
}

const act: fc.Arbitrary<ForeignAct> = fc.record({
  verb: fc.constantFrom('route.add', 'route.replace', 'route.delete'),
  dst: prefix,
  metric: fc.constantFrom(20, 1024, 4000),
  protocol: fc.constantFrom(4, 81, 186),
  weights: fc.oneof(fc.constant([]), fc.array(fc.constantFrom(1, 2, 5), { minLength: 2, maxLength: 2 })),
})

export function operationOf(
  w: { readonly eth0: number; readonly eth1: number },
  { verb, dst, metric, protocol, weights }: ForeignAct,
): Operation {
  if (verb === 'route.delete') return { do: verb, route: { dst, metric, protocol, scope: 'nowhere', nextHops: [] } }
  const legs = isSix(dst) ? ['fd00:1::1', 'fd00:1::2'] : ['10.0.1.1', '10.0.1.2']
  const stray = isSix(dst) ? { gateway: 'fd00:1::66', link: w.eth0 } : { gateway: '10.0.2.66', link: w.eth1 }
  const hops = weights.map((weight, i) => ({ gateway: legs[i], link: w.eth0, ...(weight > 1 && { weight }) }))
  return {
    do: verb,
    route: { dst, metric, protocol, scope: 'universe', nextHops: hops.length > 0 ? hops : [stray] },
  }
}

/** One thing that happens: to what is wanted, to the kernel, to the daemon. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('set'),
      owner,
      entries: fc.subarray(prefixes).chain(some => fc.tuple(...some.map(entry))),
    }),
  },
  {
    weight: 6,
    arbitrary: prefix.chain(p =>
      fc.record({
        do: fc.constant('patch'),
        owner,
        prefix: fc.constant(p),
        entry: fc.option(entry(p), { nil: undefined }),
      }),
    ),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('foreign'), act }) },
  fc.record({ do: fc.constant('lost'), act }),
  fc.record({ do: fc.constant('flap'), link: fc.constantFrom('eth0', 'eth1') }),
  fc.constant({ do: 'readdress' } as const),
  fc.record({ do: fc.constant('refuse'), every: fc.integer({ min: 0, max: 3 }) }),
  fc.constant({ do: 'restart' } as const),
  { weight: 4, arbitrary: fc.constant({ do: 'wait' } as const) },
)

/** What each class wants, and which of them has a prefix: said anew, so that the route table's own judgement is held against it. */
export class Wishes {
  readonly #wishes = new Map<string, FibEntry>()

  set(owner: FibClass, entries: readonly FibEntry[]): void {
    for (const one of prefixes) this.#wishes.delete(`${owner} ${one}`)
    for (const one of entries) this.#wishes.set(`${owner} ${one.prefix}`, one)
  }

  patch(owner: FibClass, { prefix: one, entry: wish }: { readonly prefix: string; readonly entry?: FibEntry }): void {
    if (wish) this.#wishes.set(`${owner} ${one}`, wish)
    else this.#wishes.delete(`${owner} ${one}`)
  }

  of(owner: FibClass): FibEntry[] {
    return prefixes.flatMap(one => this.#wishes.get(`${owner} ${one}`) ?? [])
  }

  /** A pod before a tunnel, a tunnel before what BGP says, an own block's refusal last. */
  winner(one: string): { readonly isPod: boolean; readonly entry: FibEntry } | undefined {
    for (const owner of ['endpoint', 'tunnel', 'bgp', 'block'] satisfies readonly FibClass[]) {
      const found = this.#wishes.get(`${owner} ${one}`)
      if (found) return { isPod: owner === 'endpoint', entry: found }
    }
    return undefined
  }
}

/** What is to be for a prefix, given what others have there, against what is: each route in words. */
export interface Expectation {
  readonly prefix: string
  readonly want: string | undefined
  readonly have: readonly string[]
}

/** The route table's promise, said anew: the winning class's route unless a foreign one precedes it; nothing else of ours. */
export function expectations(
  wishes: Wishes,
  routes: readonly Route[],
  deviceOf: (link: number) => string | undefined,
): Expectation[] {
  return prefixes.map(one => {
    const here = routes.filter(route => route.dst === one && (route.table ?? 254) === 254)
    const others = here.filter(route => !isOurs(route))
    const winner = wishes.winner(one)
    const isKeptOut = others.some(route => metricOf(route) === 1024) || (!winner?.isPod && others.length > 0)
    return {
      prefix: one,
      want: winner && !isKeptOut ? wordsOfEntry(winner.entry) : undefined,
      have: here.filter(isOurs).map(route => wordsOf(route, deviceOf)),
    }
  })
}

function isOurs(route: Route): boolean {
  return route.protocol === 81 && metricOf(route) === 1024
}

/** The kernel gives an IPv6 route without a metric 1024. */
function metricOf({ metric, dst }: Route): number {
  return metric ?? (isSix(dst) ? 1024 : 0)
}

function wordsOfEntry({ kind, nextHops, mtu }: FibEntry): string {
  return words(
    kind,
    mtu,
    nextHops.map(hop => [hop.gateway, hop.device, hop.weight]),
  )
}

/** The device of an unreachable route is the kernel's affair. */
function wordsOf({ type = 'unicast', mtu, nextHops }: Route, deviceOf: (link: number) => string | undefined): string {
  const hops = type === 'unicast' ? nextHops : []
  return words(
    type,
    mtu,
    hops.map(hop => [hop.gateway, deviceOf(hop.link ?? 0), hop.weight]),
  )
}

type Hop = readonly [gateway: string | undefined, device: string | undefined, weight: number | undefined]

/** The weight of one alone says nothing, and the kernel keeps none. */
function words(type: string, mtu: number | undefined, hops: readonly Hop[]): string {
  const each = hops.map(
    ([gateway, device, weight]) => ` via ${gateway} dev ${device} weight ${hops.length > 1 ? (weight ?? 1) : 1}`,
  )
  return `${type}${each.toSorted().join('')} mtu ${mtu ?? 0}`
}

export function isMet({ want, have }: Expectation): boolean {
  return want === undefined ? have.length === 0 : have.length === 1 && have[0] === want
}

/** The oracle: the kernel takes a route, a change of it or its end in one message each, and nothing comes of fewer. */
export function fewestMessages(expected: readonly Expectation[]): number {
  return expected.filter(one => !isMet(one)).length
}

/**
 * More than the fewest that a step may take: the kernel names the owner of an IPv6 route's first next hop only, so whose the further
 * ones of somebody's replacement are is asked of it one by one.
 */
export function questions(one: Step): number {
  if (one.do !== 'foreign' && one.do !== 'lost') return 0
  const { verb, dst, metric, weights } = one.act
  return isSix(dst) && metric === 1024 && verb !== 'route.delete' ? Math.max(0, weights.length - 1) : 0
}
