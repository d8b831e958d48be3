// The MTU of tunnels and of pods, as the links and the pools are now.
//
// It is asked for when a device is compared and when a pod comes, so a link that changes is followed with the next plan. Running
// pods keep what they were given: whoever sets the MTU of an interface under a running program breaks what it has agreed on (TCP's
// MSS, say). A pod that has too much of it is named in the status.

import type { MtuView } from '../api/contract.ts'
import { mtuWithin } from '../dataplane/index.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Facts } from '../model/facts.ts'
import type { Intent } from '../model/intent.ts'
import type { Tunnel } from '../model/tunnel.ts'
import { type MtuPlan, outgrown, planMtu, podMtu } from '../plan/mtu.ts'

export interface MtuPorts {
  readonly intent: () => Intent
  readonly facts: () => Facts
  readonly pods: () => readonly Endpoint[]
  /** What the network between nodes carries, where that is less than the link's. */
  readonly limit: () => number | undefined
}

export class Mtu {
  readonly #ports: MtuPorts
  #last: { readonly of: readonly [Intent, Facts, number | undefined]; readonly plan: MtuPlan } | undefined

  constructor(ports: MtuPorts) {
    this.#ports = ports
  }

  get plan(): MtuPlan {
    const of = [this.#ports.intent(), this.#ports.facts(), this.#ports.limit()] as const
    const last = this.#last
    if (last && of.every((part, i) => part === last.of[i])) return last.plan
    const [intent, facts, limit] = of
    this.#last = { of, plan: planMtu(intent, facts, mtuWithin, limit) }
    return this.#last.plan
  }

  ofTunnel(tunnel: Tunnel): number {
    return mtuWithin(this.plan.parents[tunnel.family].mtu, tunnel)
  }

  ofPod(addresses: readonly string[]): number {
    return podMtu(this.plan, addresses)
  }

  view(node: string): MtuView {
    const { parents, pools } = this.plan
    const { routes, tunnels } = this.#ports.intent()
    const { links } = this.#ports.facts()
    return {
      node,
      parents: ([4, 6] as const).flatMap(family => {
        const address = family === 4 ? routes.source4 : routes.source6
        const { link, mtu } = parents[family]
        const linkMtu = links.find(({ name }) => name === link)?.mtu
        return address === undefined ? [] : [{ family, address, ...(link !== undefined && { link, linkMtu }), mtu }]
      }),
      tunnels: tunnels.map(tunnel => ({ device: tunnel.device, family: tunnel.family, mtu: this.ofTunnel(tunnel) })),
      pools,
    }
  }

  get problems(): readonly string[] {
    return [...this.plan.problems, ...outgrown(this.plan, this.#ports.pods())]
  }
}
