// One entry of a copy, as it is read. Anybody may have written it, so each part is looked at before it is used: what says whose the
// address is counts; of the rest, what cannot be read is left out.

import { formatAddress, parseAddress, parsePrefix } from '../../inet/index.ts'
import type { EndpointDetails } from '../model/endpoint.ts'
import type { AddressRow } from './records.ts'

/** What has no owner is nobody's, and in use. */
export const nobodysRow: AddressRow = { network: '', containerId: '', ifName: '', pool: '', since: '' }

type Checks<T> = { readonly [F in keyof Required<T>]: (value: unknown) => boolean }

const owner = ['network', 'containerId', 'ifName'] as const

const fields: Checks<AddressRow> = {
  network: isText,
  containerId: isText,
  ifName: isText,
  pool: isText,
  since: isText,
  label: isAbsentOr(isText),
  details: isAbsentOr(value => isMap(value) && hasAll(value, detailFields)),
}

const detailFields: Checks<EndpointDetails> = {
  netns: isText,
  mac: isAbsentOr(value => isText(value) && /^([\da-f]{2}:){5}[\da-f]{2}$/i.test(value)),
  routes: isAbsentOr(isListOf(value => isMap(value) && hasAll(value, routeFields))),
  sourceCheck: isAbsentOr(value => value === false),
  sysctls: isAbsentOr(value => isMap(value) && Object.entries(value).every(isSysctl)),
  withoutDefault: isAbsentOr(isListOf(value => value === 4 || value === 6)),
}

const routeFields = {
  dst: (value: unknown) => isText(value) && parsePrefix(value) !== undefined,
  mtu: isAbsentOr(Number.isSafeInteger),
  metric: isAbsentOr(Number.isSafeInteger),
}

/** The row; undefined: it is none, for nothing says whose the address is. */
export function readRow(value: unknown): AddressRow | undefined {
  if (!isMap(value)) return undefined
  const bad: readonly string[] = faults(value, fields)
  if (owner.some(field => bad.includes(field))) return undefined
  const good = Object.fromEntries(Object.entries(value).filter(([field]) => !bad.includes(field)))
  return { ...nobodysRow, ...good }
}

/** What of an entry cannot be read, for people; undefined: all can. */
export function faultOfEntry(address: string, value: unknown): string | undefined {
  if (!isAddress(address)) return 'is no address'
  if (!readRow(value)) return 'says nothing that tells whose it is'
  const bad = isMap(value) ? faults(value, fields) : []
  return bad.length > 0 ? `has a ${bad.join(' and ')} that cannot be read` : undefined
}

/** Written as Margay writes it: it is a key. */
export function isAddress(text: string): boolean {
  const parsed = parseAddress(text)
  return parsed !== undefined && formatAddress(parsed) === text
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasAll(value: Readonly<Record<string, unknown>>, checks: Readonly<Record<string, Check>>): boolean {
  return faults(value, checks).length === 0
}

function faults(value: Readonly<Record<string, unknown>>, checks: Readonly<Record<string, Check>>): string[] {
  return Object.keys(checks).filter(field => !checks[field](Object.hasOwn(value, field) ? value[field] : undefined))
}

type Check = (value: unknown) => boolean

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isAbsentOr(check: Check): Check {
  return value => value === undefined || check(value)
}

function isListOf(check: Check): Check {
  return value => Array.isArray(value) && value.every(check)
}

/** It becomes a path under /proc/sys. */
function isSysctl([path, value]: readonly [string, unknown]): boolean {
  return isText(value) && /^net(\/[^/]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)
}
