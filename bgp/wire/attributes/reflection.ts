// ORIGINATOR_ID and CLUSTER_LIST (RFC 4456 §8; errors RFC 7606 §7.9, §7.10).

import { formatAddress, parseAddress } from '../../../inet/index.ts'
import { type AttributeType, OPTIONAL } from '../attribute.ts'
import { uint32 } from './as-path.ts'
import { fourOctets } from './numbers.ts'

export const originatorId: AttributeType<string> = {
  code: 9,
  name: 'ORIGINATOR_ID',
  flags: OPTIONAL,
  part: 'route',
  internalOnly: 'as',
  validate: (_, from, to) => fourOctets(from, to),
  onError: 'withdraw',
  decode: routerIdText,
  encode: text => parseAddress(text)?.octets ?? new Uint8Array(4),
}

export const clusterList: AttributeType<readonly string[]> = {
  code: 10,
  name: 'CLUSTER_LIST',
  flags: OPTIONAL,
  part: 'route',
  internalOnly: 'as',
  validate: (_, from, to) =>
    to > from && (to - from) % 4 === 0 ? undefined : `length ${to - from}, must be a multiple of 4, not 0`,
  onError: 'withdraw',
  decode: clusterTexts,
  encode: texts => Uint8Array.from(texts.flatMap(text => [...(parseAddress(text)?.octets ?? [0, 0, 0, 0])])),
}

/** A router id or cluster id as dotted quad. */
export function routerIdText(octets: Uint8Array, at: number): string {
  return formatAddress(octets.subarray(at, at + 4))
}

export function clusterTexts(octets: Uint8Array, from: number, to: number): string[] {
  const texts: string[] = []
  for (let at = from; at < to; at += 4) texts.push(routerIdText(octets, at))
  return texts
}

export function clusterListContains(octets: Uint8Array, from: number, to: number, clusterId: number): boolean {
  for (let at = from; at < to; at += 4) if (uint32(octets, at) === clusterId) return true
  return false
}
