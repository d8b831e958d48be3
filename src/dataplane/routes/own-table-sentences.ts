// What is said of a table of our own that packets do not reach as they should: object, reason, next step.

import type { IpFamily, Route } from '../../../netlink/types.ts'
import { isKernels, remedy, whose } from './sentences.ts'
import type { Way } from './way.ts'

/** Where docs/reconciler.md puts the rules. */
const usual = 32_000
const shownPrefixes = 3

export function unreached(table: number, family: IpFamily, { mainAt }: Way): string {
  return `dataplane.routeTable ${table}: no rule leads packets of IPv${family} there, so none of our IPv${family} routes is in force; add it: ${rulesFor(table, family, mainAt)}`
}

export function goesBefore(
  route: Route,
  device: string | undefined,
  prefixes: readonly string[],
  table: number,
  way: Way,
): string {
  const [first] = prefixes
  const what = prefixes.length === 1 ? `route ${first}` : `routes ${listed(prefixes)}`
  const why = `the route ${route.dst}${whose(route, device)} of the table main has precedence: the rules look there first`
  const step = route.dst.endsWith('/0')
    ? `have them pass over main's default route: ${rulesFor(table, first.includes(':') ? 6 : 4, undefined, way.at)}`
    : isKernels(route)
      ? `that is a network of this node: give ${device ?? 'the device'} an address with a longer prefix, or have the peer not announce ours`
      : remedy(route)
  return `${what} in table ${table}: not in force, because ${why}; ${step}`
}

export function passedOver(
  route: Route,
  device: string | undefined,
  ours: string,
  table: number,
  { at = usual }: Way,
): string {
  const six = route.dst.includes(':') ? ' -6' : ''
  return `route ${route.dst}${whose(route, device)} in the table main is passed over, because a rule looks into table ${table} first, where our ${ours} holds it; put main before it: ip${six} rule add pref ${Math.max(1, at - 1)} lookup main suppress_prefixlength 0`
}

export function unreadable(table: number, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return `dataplane.routeTable ${table}: the rules that lead there cannot be read (${text}); a kernel without rules (CONFIG_IP_MULTIPLE_TABLES) needs routeTable 254`
}

/** `at`: where the rule of our table is now, behind main. */
function rulesFor(table: number, family: IpFamily, mainAt: number | undefined, at?: number): string {
  const ip = family === 6 ? 'ip -6' : 'ip'
  const main = mainAt === undefined ? [`${ip} rule add pref ${usual} lookup main suppress_prefixlength 0`] : []
  const former = at === undefined ? [] : [`${ip} rule del pref ${at}`]
  return [...former, ...main, `${ip} rule add pref ${(mainAt ?? usual) + 1} lookup ${table}`].join(' && ')
}

function listed(prefixes: readonly string[]): string {
  const more = prefixes.length - shownPrefixes
  return `${prefixes.slice(0, shownPrefixes).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
