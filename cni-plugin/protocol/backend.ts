// What the daemon does for a CNI call. The protocol knows its meaning; how addresses and devices come about is the backend's.
//
// Every method may throw a CniError, whose code and message the runtime sees; any other error becomes code 999.

import type { Endpoint } from '../../src/model/endpoint.ts'
import type { Route } from './result.ts'
import type { Target } from './environment.ts'

/** The key of an attachment (model/endpoint.ts, `endpointKey`). */
export interface AttachmentKey extends Target {
  readonly network: string
}

/** Pools to take addresses from, by name or range; a family without a list takes any that is for the pod. */
export type PoolNames = Readonly<Record<4 | 6, readonly string[] | undefined>>

/** A route that the network asks for beside the default routes. */
export interface AskedRoute {
  /** `10.9.0.0/16`. */
  readonly dst: string
  readonly gateway?: string
  readonly mtu?: number
  readonly metric?: number
}

export interface AddRequest extends AttachmentKey {
  readonly netns: string
  /** `NAMESPACE/NAME`, where the runtime says. */
  readonly label?: string
  /** Addresses asked for, without length; a family without one takes any. */
  readonly addresses: readonly string[]
  readonly pools?: PoolNames
  readonly routes?: readonly AskedRoute[]
  /** Settings of the pod's namespace by name with dots; IFNAME in it is the interface. */
  readonly sysctls?: Readonly<Record<string, string>>
  readonly mac?: string
  readonly mtu?: number
  /** False: the pod may send from any address. */
  readonly sourceCheck?: false
}

/** What ADD made. */
export interface Attachment {
  readonly endpoint: Endpoint
  /** MAC of the host's side. */
  readonly hostMac?: string
  /** The pod's routes, for runtimes and chained plugins that look at them. */
  readonly routes?: readonly Route[]
}

/** What the runtime remembers of an attachment. */
export interface CheckRequest extends AttachmentKey {
  readonly netns: string
  /** Addresses of the interface, without length. */
  readonly addresses: readonly string[]
  /**
   * What the interface's MAC and MTU may be beside what ADD made of them, where one was asked for: as the last plugin of the chain left
   * it. Absent: nobody asked, so others may set them as they like.
   */
  readonly macs?: readonly string[]
  readonly mtus?: readonly number[]
}

/** `container`: a network namespace other than the daemon's own; `unreadable`: it may be one, and cannot be looked at. */
export type NamespaceKind = 'container' | 'host' | 'missing' | 'unreadable' | 'other'

export interface CniBackend {
  /**
   * Makes the attachment, or nothing: on failure, and when `signal` is aborted before it resolves, everything is undone
   * before it rejects. An attachment of that key, or an interface of that name in the namespace, that exists already is an
   * error (code.attachmentExists) and stays untouched.
   */
  add(request: AddRequest, signal: AbortSignal): Promise<Attachment>
  /** Removes what is there of the attachment; nothing there is success. Needs neither the namespace nor the datastore. */
  del(key: AttachmentKey): Promise<void>
  /** Rejects with code.attachmentBroken unless address record, devices, addresses and routes are as ADD made them; what others added is no fault. */
  check(request: CheckRequest): Promise<void>
  /** Removes all attachments of the network but `valid`; goes on after an error and rejects with all of them. */
  gc(network: string, valid: readonly Target[]): Promise<void>
  /** Rejects with code.unavailable if ADD cannot work now, code.limitedConnectivity if running pods suffer as well. */
  status(): Promise<void>
  namespaceKind(path: string): Promise<NamespaceKind>
}
