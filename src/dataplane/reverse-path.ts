// The node's own reverse-path filter (`net.ipv4.conf.all.rp_filter`), which every device has at least: a fact about the node, and whoever
// changes it while we run is heard.

import type { Rtnetlink } from '../../netlink/types.ts'
import type { Kernel } from './kernel.ts'

export const reversePathOfNode = 'net/ipv4/conf/all/rp_filter'

export class ReversePath {
  readonly #kernel: Kernel
  readonly #tell: (value: number) => void
  readonly #unwatch: Promise<() => Promise<void>>
  #turn: Promise<void>

  /** `tell` hears the value at once and whenever somebody writes it: 0 off, 1 strict, 2 loose. */
  constructor(kernel: Kernel, socket: Rtnetlink, tell: (value: number) => void) {
    this.#kernel = kernel
    this.#tell = tell
    this.#unwatch = socket.watch(['netconf4'], event => {
      if (event.type === 'overrun' || (event.type === 'netconf.put' && event.netconf.link === 'all')) this.#read()
    })
    this.#unwatch.catch(() => undefined) // then it is what it was at the start
    this.#turn = Promise.resolve()
    this.#read()
  }

  async close(): Promise<void> {
    await this.#turn
    await (
      await this.#unwatch.catch(() => undefined)
    )?.()
  }

  #read(): void {
    this.#turn = this.#turn
      .then(async () => this.#tell(Number((await this.#kernel.readSysctls([reversePathOfNode]))[0] ?? 0)))
      .catch(() => undefined)
  }
}

/** Sentences: where the kernel takes a loose filter for a strict one, as it does on a device without an IPv4 address. */
export function filteredAnyway(
  value: number,
  unaddressed: readonly string[],
  unchecked: readonly string[],
): readonly string[] {
  if (value === 0) return []
  const setting = `net.ipv4.conf.all.rp_filter is ${value}`
  const remedy =
    'sysctl -w net.ipv4.conf.all.rp_filter=0 (and in /etc/sysctl.d), with the filter on those links alone that need it'
  return [
    ...(unaddressed.length > 0
      ? [
          `${setting}, and ${unaddressed.join(', ')} without an IPv4 address: the kernel drops IPv4 packets there whose way back is another link, so pods lose what comes by another path than it goes; ${remedy}`,
        ]
      : []),
    ...(unchecked.length > 0
      ? [
          `${setting}: the kernel drops IPv4 packets from other addresses than their own of pods that may send from any (${unchecked.slice(0, 5).join(', ')}${unchecked.length > 5 ? ', …' : ''}); ${remedy}`,
        ]
      : []),
  ]
}
