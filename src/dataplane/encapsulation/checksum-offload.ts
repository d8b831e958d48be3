// Whether the node's own kernel may leave the checksums of packets within VXLAN to the network card.
//
// Some cards, their drivers, and virtual machines' networks spoil them: pings pass and TCP hangs. Who has such a network turns it
// off on the device, and the kernel does the sums itself.

import type { Ethtool } from '../../../netlink/generic/ethtool-types.ts'
import { NoGenericFamily } from '../../../netlink/index.ts'

/** NETIF_F_HW_CSUM, as ethtool names it. */
export const checksumFeature = 'tx-checksum-ip-generic'

export class ChecksumOffload {
  readonly #open: () => Promise<Ethtool>
  readonly #on: boolean
  #socket: Promise<Ethtool> | undefined

  /** `on`: as the kernel makes a device. */
  constructor(open: () => Promise<Ethtool>, on: boolean) {
    this.#open = open
    this.#on = on
  }

  /** Writes only what differs. A sentence if a device cannot be made as wanted. */
  async ensure(device: string, link: number): Promise<string | undefined> {
    try {
      const socket = await (this.#socket ??= this.#open())
      if ((await socket.features(link)).has(checksumFeature) === this.#on) return undefined
      const result = await socket.setFeature(link, checksumFeature, this.#on)
      return result.ok ? undefined : sentence(device, this.#on, `${result.errno}: ${result.text}`)
    } catch (error) {
      this.#socket = undefined
      // A kernel that cannot be asked has not been told to turn it off, either.
      if (error instanceof NoGenericFamily && this.#on) return undefined
      return sentence(device, this.#on, error instanceof Error ? error.message : String(error))
    }
  }

  async close(): Promise<void> {
    const socket = await this.#socket?.catch(() => undefined)
    await socket?.close()
  }
}

function sentence(device: string, on: boolean, why: string): string {
  const word = on ? 'on' : 'off'
  return `device ${device}: its checksum offload cannot be turned ${word}, as dataplane.vxlanChecksumOffload says (${why}); try ethtool -K ${device} ${checksumFeature} ${word}, or change the setting`
}
