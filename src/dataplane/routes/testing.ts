// Random wishes and random deeds of others for tests of the route table, and what must come of them.

import * as fc from 'fast-check'
import type { Link, Operation, Route } from '../../../netlink/types.ts'
import { type FibClass, fibClasses, type FibEntry } from '../../model/fib.ts'
import type { DesiredRoutes } from './desired.ts'
import { defaultMark, isMarked, sameRoute, toRoute } from './route.ts'

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

const entry = (prefix: string): fc.Arbitrary<FibEntry> =>
  fc.oneof(
    fc.constant<FibEntry>({ prefix, kind: 'unreachable', nextHops: [] }),
    fc
      .subarray(isSix(prefix) ? ['fd00:1::1', 'fd00:1::2'] : ['10.0.1.1', '10.0.1.2', '10.0.2.1'], { minLength: 1 })
      .map((gateways): FibEntry => {
        const nextHops = gateways.map(gateway => ({ gateway, device: gateway.startsWith('10.0.2') ? 'eth1' : 'eth0' }))
        return { prefix, kind: 'unicast', nextHops }
      }),
  )

const owner = fc.constantFrom(...fibClasses)
const prefix = fc.constantFrom(...prefixes)

export interface ForeignAct {
  readonly verb: 'route.add' | 'route.replace' | 'route.delete'
  readonly dst: string
  readonly metric: number
  readonly protocol: number
}

const act: fc.Arbitrary<ForeignAct> = fc.record({
  verb: fc.constantFrom('route.add', 'route.replace', 'route.delete'),
  dst: prefix,
  metric: fc.constantFrom(20, 1024, 4000),
  protocol: fc.constantFrom(4, 81, 186),
})

export function operationOf(
  w: { readonly eth0: number; readonly eth1: number },
  { verb, dst, metric, protocol }: ForeignAct,
): Operation {
  if (verb === 'route.delete') return { do: verb, route: { dst, metric, protocol, scope: 'nowhere', nextHops: [] } }
  const hop = isSix(dst) ? { gateway: 'fd00:1::66', link: w.eth0 } : { gateway: '10.0.2.66', link: w.eth1 }
  return { do: verb, route: { dst, metric, protocol, scope: 'universe', nextHops: [hop] } }
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

export function entriesOf(wanted: DesiredRoutes, name: FibClass): FibEntry[] {
  return prefixes.flatMap(one => wanted.entry(name, one) ?? [])
}

/** What is to be for a prefix, given what others have there, against what is. */
export interface Expectation {
  readonly prefix: string
  readonly want: Route | undefined
  readonly have: readonly Route[]
}

/** The route table's promise, said anew: the winning class's route unless a foreign one precedes it; nothing else of ours. */
export function expectations(
  wanted: DesiredRoutes,
  routes: readonly Route[],
  linkNamed: (name: string) => Link | undefined,
): Expectation[] {
  return prefixes.map(prefix => {
    const others = routes.filter(route => route.dst === prefix && !isMarked(route, defaultMark))
    const have = routes.filter(route => route.dst === prefix && isMarked(route, defaultMark))
    const winner = wanted.winner(prefix)
    const isKeptOut =
      others.some(route => route.metric === defaultMark.metric) || (winner?.class !== 'endpoint' && others.length > 0)
    const route = winner && !isKeptOut ? toRoute(winner.entry, defaultMark, linkNamed) : undefined
    if (route && 'missing' in route) throw new Error(`no device ${route.missing}`)
    return { prefix, want: route, have }
  })
}

export function isMet({ want, have }: Expectation): boolean {
  return want ? have.length === 1 && sameRoute(have[0], want) : have.length === 0
}

/** The oracle: the kernel takes a route, a change of it or its end in one message each, and nothing comes of fewer. */
export function fewestMessages(expected: readonly Expectation[]): number {
  return expected.filter(one => !isMet(one)).length
}
