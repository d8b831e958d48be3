// The links to the fabric, as the kernel needs them: set up when they, or what is known of them, change.

import type { Dataplane } from '../dataplane/index.ts'
import { fabricLinks, withoutIpv4 } from '../plan/fabric.ts'
import type { Log } from './log.ts'
import type { SettingRecords } from './setting-records.ts'

interface FabricParts {
  readonly dataplane: Dataplane
  readonly records: SettingRecords
  readonly log: Log
}

type Peers = Parameters<typeof fabricLinks>[2]

export class Fabric {
  readonly #parts: FabricParts
  /** What it was set up for. */
  #done = ''

  constructor(parts: FabricParts) {
    this.#parts = parts
  }

  /** `addresses`: the node's own, with their lengths. */
  async setUp(
    addresses: { readonly ipv4Address?: string; readonly ipv6Address?: string } | undefined,
    peers: Peers,
  ): Promise<void> {
    const { dataplane, records, log } = this.#parts
    const facts = dataplane.facts.current
    const devices = fabricLinks(facts, [addresses?.ipv4Address, addresses?.ipv6Address], peers)
    const unaddressed = withoutIpv4(facts, devices)
    const wanted = JSON.stringify([devices, unaddressed, facts.reversePathFilter])
    if (wanted === this.#done) return
    const { previous, problems } = await dataplane.setUpNode({ all: devices, unaddressed })
    this.#done = wanted
    for (const problem of problems) log.warn(problem)
    await records.note(previous, facts.links)
  }
}
