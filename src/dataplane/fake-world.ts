// A node on the fake kernel, with a clock whose hands the test turns. For tests.

import type { Rtnetlink } from '../../netlink/types.ts'
import type { Clock } from './clock.ts'
import type { Dataplane } from './dataplane.ts'
import { FakeKernel } from './fake-kernel.ts'
import type { FakeNamespace } from './fake-namespace.ts'

export class HandClock implements Clock {
  #now = 0
  readonly #timers = new Set<{ at: number; call: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(ms: number): void {
    this.#now += ms
    for (const timer of this.#timers.values().toArray()) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue
      timer.call()
    }
  }
}

export interface FakeWorld {
  readonly kernel: FakeKernel
  readonly clock: HandClock
  /** Another program on the node. */
  readonly other: Rtnetlink
  readonly eth0: number
  readonly eth1: number
}

/** A node 10.0.1.7/24 and fd00:1::7/64 on eth0, 10.0.2.7/24 on eth1, both with carrier. */
export async function fakeWorld(): Promise<FakeWorld> {
  const kernel = new FakeKernel()
  const fabric = kernel.addNamespace('/fabric')
  const wire = (name: string, ...cidrs: string[]): number => {
    kernel.node.apply({ do: 'link.add', link: { kind: 'veth', name, up: true, peer: { name, netns: '/fabric' } } })
    fabric.apply({ do: 'link.set', link: indexOf(fabric, name), change: { up: true } })
    const link = indexOf(kernel.node, name)
    for (const cidr of cidrs) kernel.node.apply({ do: 'address.add', address: { link, cidr, scope: 'universe' } })
    return link
  }
  const eth0 = wire('eth0', '10.0.1.7/24', 'fd00:1::7/64')
  const eth1 = wire('eth1', '10.0.2.7/24')
  kernel.node.log.length = 0
  return { kernel, clock: new HandClock(), other: await kernel.open(), eth0, eth1 }
}

function indexOf(namespace: FakeNamespace, name: string): number {
  const link = namespace.named(name)
  if (!link) throw new Error(`no device ${name}`)
  return link.index
}

/** Lets the delayed events of the fake kernel in, and what follows from them. */
export async function settle(plane: Dataplane, w: FakeWorld): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setImmediate(resolve))
    w.clock.advance(50)
    await plane.routes.idle()
  }
}
