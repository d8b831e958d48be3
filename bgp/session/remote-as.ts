// Which AS a peer may be in: a number, one of a list, ours (`internal`) or any other (`external`).

import type { RemoteAs } from '../types.ts'

/** Whether the peer may say that it is in AS `asn`, where it knows us by `localAs`. */
export function allowsAs(remoteAs: RemoteAs, asn: number, localAs: number): boolean {
  if (typeof remoteAs === 'number') return asn === remoteAs
  if (typeof remoteAs === 'string') return (asn === localAs) === (remoteAs === 'internal')
  return remoteAs.includes(asn)
}

export function isInternal(remoteAs: RemoteAs, localAs: number): boolean {
  return allowsAs(remoteAs, localAs, localAs)
}

/** The AS, where only one is possible. */
export function onlyAs(remoteAs: RemoteAs, localAs: number): number | undefined {
  return typeof remoteAs === 'number' ? remoteAs : remoteAs === 'internal' ? localAs : undefined
}

/** As in "the peer is in …", "… is configured". */
export function remoteAsText(remoteAs: RemoteAs): string {
  if (typeof remoteAs === 'number') return `AS ${remoteAs}`
  if (remoteAs === 'internal') return 'our own AS'
  return remoteAs === 'external' ? 'an AS that is not ours' : `one of AS ${remoteAs.join(', ')}`
}
