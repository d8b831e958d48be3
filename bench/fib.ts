// What the kernel of a host has: how many routes, looked at from outside while they come and go.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '../netlink/index.ts'
import type { Host } from '../integration/interop/kit/lan.ts'
import { pidsOf } from './network.ts'
import type { Change } from './scenarios/index.ts'

/** Milliseconds between two looks at least, and how many times as long as a look takes: it must not be what is measured. */
const LEAST = 2
const PAUSE = 8

export class Fib {
  readonly #host: Host
  readonly #file: string
  /** Prefixes that were there before. */
  readonly #before: number
  #ours = 0

  constructor(host: Host) {
    this.#host = host
    this.#file = `/proc/${pidsOf(host)[0]}/net/fib_triestat`
    this.#before = this.#prefixes()
  }

  /** Counts what is written from now on, until the function returned is called: that gives the count. */
  async count(): Promise<() => Promise<number>> {
    const netlink = await open({ netns: `/run/netns/${this.#host.netns}` })
    let writes = 0
    await netlink.watch(['route4', 'route6'], event => {
      // Those of a daemon: not the kernel's own, that come with links and addresses.
      if (event.type === 'route.put' || event.type === 'route.delete') writes += (event.route.protocol ?? 0) > 4 ? 1 : 0
      if (event.type === 'overrun') writes = Infinity
    })
    return async () => {
      await sleep(200)
      await netlink.close()
      return writes
    }
  }

  /** Resolves with the time, by `performance.now()`, at which the kernel had what follows from the changes. `limit`: seconds. */
  async after(changes: readonly Change[], limit: number): Promise<number> {
    for (const { kind, from, to } of changes) this.#ours += kind === 'announce' ? to - from : from - to
    const end = performance.now() + limit * 1000
    for (;;) {
      const looked = performance.now()
      const found = this.#prefixes() - this.#before
      const now = performance.now()
      if (found === this.#ours) return looked
      if (now > end) throw new Error(`the kernel has ${found} routes after ${limit} s and shall have ${this.#ours}`)
      await sleep(Math.max(LEAST, PAUSE * (now - looked)))
    }
  }

  /** Throws unless just as many routes lead to that neighbour. */
  async check(neighbour: string): Promise<void> {
    const text = await this.#host.exec('sh', '-c', `ip route show | grep -c 'via ${neighbour} '`)
    if (Number(text) !== this.#ours) throw new Error(`${text.trim()} of ${this.#ours} routes lead to ${neighbour}`)
  }

  #prefixes(): number {
    const [, main = ''] = readFileSync(this.#file, 'utf8').split('Main:')
    return Number(/Prefixes:\s+(\d+)/.exec(main)?.[1] ?? 0)
  }
}
