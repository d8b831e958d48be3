// What the route table says to people: object, value, reason, next step, one sentence each.

import type { Result, Route } from '../../../netlink/types.ts'
import type { FibClass, FibEntry } from '../../model/fib.ts'
import { describe, isMarked, type Mark, metricOf } from './route.ts'

export function noDevice(entry: FibEntry, device: string, wait: number): string {
  return `route ${describe(entry)}: this node has no device ${device}; tried again when it appears, or in ${seconds(wait)}`
}

export function refused(what: string, answer: Extract<Result, { ok: false }>, wait: number): string {
  return `route ${what}: the kernel refused it (${answer.errno}: ${answer.text})${advice(answer.errno)}; tried again in ${seconds(wait)}`
}

export function conflict(entry: FibEntry | undefined, holder: Route, device: string | undefined): string {
  const what = entry ? describe(entry) : holder.dst
  return `route ${what}: not in force, because another program's route for ${holder.dst}${whose(holder, device)} has precedence; ${remedy(holder)}`
}

/** ` dev eth0 (protocol 12, BIRD, metric 32)` */
export function whose(route: Route, device: string | undefined): string {
  const where = device === undefined ? '' : ` dev ${device}`
  return `${where} (protocol ${protocolName(route.protocol)}, metric ${metricOf(route)})`
}

export function fight(
  entry: FibEntry | undefined,
  prefix: string,
  count: number,
  by: Route | undefined,
  mark: Mark,
): string {
  const what = `route ${entry ? describe(entry) : prefix}`
  const slowly = `(${count} times in a short while), so it is put back ever more slowly`
  if (!by)
    return `${what}: somebody deletes it again and again ${slowly}; a network manager that removes routes of others does that (systemd-networkd: ManageForeignRoutes=no), or ip route flush in a script; ip monitor route shows when`
  if (isMarked(by, mark))
    return `${what}: another program changes it under our own mark again and again ${slowly}; stop it, or give one of the two another protocol number (here: dataplane.routeProtocol, now ${mark.protocol})`
  return `${what}: another program (protocol ${protocolName(by.protocol)}) takes its place again and again ${slowly}; stop it, or have it leave ${prefix} alone`
}

export function held(prefix: string, classes: readonly FibClass[]): string {
  const what =
    classes.length > 0 ? `the routes of ${classes.join(' and ')} are complete` : 'the kernel has been read again'
  return `route ${prefix}: held until ${what}; margayctl status says what is waited for`
}

export function closed(prefix: string): string {
  return `route ${prefix}: the daemon is stopping, so the kernel was not asked; start it again`
}

/** As in iproute2's rt_protos. */
const protocols = new Map([
  [1, 'redirect'],
  [2, 'the kernel'],
  [3, 'boot: by hand'],
  [4, 'static: by hand, or a network manager'],
  [9, 'router advertisements'],
  [11, 'zebra: FRR'],
  [12, 'BIRD'],
  [16, 'DHCP'],
  [42, 'babel'],
  [80, 'Calico'],
  [186, 'a BGP daemon'],
  [187, 'an IS-IS daemon'],
  [188, 'an OSPF daemon'],
])

/** `12, BIRD`: who usually marks its routes so. */
export function protocolName(protocol = 0): string {
  const name = protocols.get(protocol)
  return name === undefined ? String(protocol) : `${protocol}, ${name}`
}

/** RTPROT_KERNEL: it comes and goes with an address. */
export function isKernels({ protocol }: Route): boolean {
  return protocol === 2
}

/** What to do about a route of another's. */
export function remedy(route: Route): string {
  if (!isKernels(route)) return `remove that one if it is not wanted: ${removal(route)}`
  return `it is there because of an address; remove that if it is not wanted: ip addr show to ${route.dst} names it`
}

/** The command that removes it. */
function removal({ dst, table = 254, protocol, metric }: Route): string {
  const six = dst.includes(':') ? ' -6' : ''
  return `ip${six} route del ${dst} proto ${protocol ?? 0}${metric ? ` metric ${metric}` : ''}${table === 254 ? '' : ` table ${table}`}`
}

function advice(errno: string): string {
  switch (errno) {
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return ', so its gateway lies on no connected network: check the addresses of the device'
    case 'ENETDOWN':
      return ', so its device is down: set it up'
    case 'EPERM':
      return ', so the daemon lacks CAP_NET_ADMIN: run it as root'
    case 'EEXIST':
      return ', so another route sits there: see ip route'
    default:
      return ''
  }
}

function seconds(ms: number): string {
  return `${Math.max(0.1, Math.round(ms / 100) / 10)} s`
}
