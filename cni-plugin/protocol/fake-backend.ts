// A backend in memory, for tests: addresses are counted up, namespaces are paths under /run/netns.

import { endpointKey } from '../../src/model/endpoint.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import type { AddRequest, Attachment, AttachmentKey, CheckRequest, CniBackend, NamespaceKind } from './backend.ts'
import type { Target } from './environment.ts'
import { CniError, code } from './errors.ts'

export class FakeBackend implements CniBackend {
  readonly endpoints = new Map<string, Endpoint>()
  /** What was compared last. */
  checked: CheckRequest | undefined
  readonly calls: string[] = []
  /** Awaited by ADD after it took its address and before it makes the device. */
  gate: Promise<void> = Promise.resolve()
  /** Thrown at that place. */
  failure: Error | undefined
  state: CniError | undefined
  #next = 5

  async add(request: AddRequest, signal: AbortSignal): Promise<Attachment> {
    const key = endpointKey(request)
    this.calls.push(`add ${key}`)
    if (this.endpoints.has(key)) {
      throw new CniError(code.attachmentExists, `${request.ifName} of container ${request.containerId} exists already.`)
    }
    const address =
      request.addresses.length > 0 ? request.addresses : [`10.42.0.${this.#next}`, `fd00:42::${this.#next++}`]
    const { network, containerId, ifName, netns, label, sourceCheck } = request
    const made = {
      network,
      containerId,
      ifName,
      netns,
      label,
      ...(sourceCheck === false && { sourceCheck }),
      mtu: request.mtu ?? 1500,
      mac: request.mac ?? '02:00:00:00:00:05',
    }
    this.endpoints.set(key, { ...made, hostDevice: `mgy${containerId.slice(0, 11)}`, addresses: address })
    try {
      await this.gate
      if (this.failure) throw this.failure
      if (signal.aborted) throw new CniError(code.tryAgainLater, 'Given up.')
    } catch (error) {
      this.endpoints.delete(key)
      throw error
    }
    return {
      endpoint: this.endpoints.get(key) as Endpoint,
      hostMac: 'ee:ee:ee:ee:ee:ee',
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0' }],
    }
  }

  async del(key: AttachmentKey): Promise<void> {
    this.calls.push(`del ${endpointKey(key)}`)
    this.endpoints.delete(endpointKey(key))
  }

  async check(request: CheckRequest): Promise<void> {
    this.checked = request
    const known = this.endpoints.get(endpointKey(request))
    if (known && request.addresses.every(address => known.addresses.includes(address))) return
    throw new CniError(
      code.attachmentBroken,
      `${request.ifName} of container ${request.containerId} is not as ADD made it.`,
    )
  }

  async gc(network: string, valid: readonly Target[]): Promise<void> {
    this.calls.push(`gc ${network}`)
    for (const [key, endpoint] of this.endpoints) {
      const kept = valid.some(each => endpointKey({ network, ...each }) === key)
      if (endpoint.network === network && !kept) this.endpoints.delete(key)
    }
  }

  async status(): Promise<void> {
    if (this.state) throw this.state
  }

  async namespaceKind(path: string): Promise<NamespaceKind> {
    if (path.startsWith('/run/netns/')) return 'container'
    return path === '/proc/1/ns/net' ? 'host' : 'missing'
  }
}
