// Keeps sessions that the plan has no more until those in their place have told all, here and at the other nodes (plan/handover.ts).

import type { PeerConfig, PeerStatus, SpeakerConfig } from '../../bgp/types.ts'
import { formatAddress } from '../../inet/index.ts'
import type { Datastore } from '../datastore/contract.ts'
import { type Handover, handoverKind } from '../model/handover.ts'
import { planHandover, sessionsDigest } from '../plan/handover.ts'
import { bgpSettings } from '../plan/settings.ts'
import type { Snapshot } from '../plan/snapshot.ts'
import { nodeSpeakers } from '../plan/speakers.ts'
import { Later } from './later.ts'
import { writeOwn } from './own-record.ts'

export interface HandoverPorts {
  readonly node: string
  readonly datastore: Pick<Datastore, 'get' | 'create' | 'update'>
  readonly isInSync: () => boolean
  readonly peers: () => readonly PeerStatus[]
  /** Names of the peers that tell of a block, by its CIDR. */
  readonly tellers: (block: string) => readonly string[]
  readonly now: () => number
  /** It is time to plan again. */
  readonly onDue: () => void
}

/** Milliseconds between looks at sessions that are on their way. */
const lookAgain = 250
/** After a datastore that could not be written. */
const retryAfter = 2_000

export class HandoverKeeper {
  readonly #ports: HandoverPorts
  #digest = { text: '', since: -Infinity }
  #allInSyncSince: number | undefined
  #last: SpeakerConfig | undefined
  #made: { readonly from: SpeakerConfig; readonly kept: string; readonly config: SpeakerConfig } | undefined
  #waits: readonly string[] = []
  #writing = false
  readonly #later: Later

  constructor(ports: HandoverPorts) {
    this.#ports = ports
    this.#later = new Later(ports.onDue)
  }

  get waits(): readonly string[] {
    return this.#waits
  }

  /** What the speaker shall be: as planned from the snapshot, and with what stays of before. */
  apply(planned: SpeakerConfig | undefined, snapshot: Snapshot): SpeakerConfig | undefined {
    const before = this.#last
    if (!planned) return (this.#last = undefined)
    if (!this.#ports.isInSync()) return (this.#last = this.#merge(planned, this.#keptOf(planned)))
    const { node, now } = this.#ports
    const { nodes, bgpConfigurations, bgpPeers, handovers, blocks } = snapshot
    const settings = bgpSettings(bgpConfigurations)
    const speakers = nodeSpeakers(nodes, settings)
    const digest = sessionsDigest(settings, bgpPeers, speakers)
    if (digest !== this.#digest.text) {
      this.#digest = { text: digest, since: now() }
      this.#allInSyncSince = undefined
    }
    const names = new Set(speakers.map(({ name }) => name))
    const plan = planHandover({
      digest,
      before: before && isSameSpeaker(before, planned) ? before.peers : new Map<string, PeerConfig>(),
      wanted: planned.peers,
      nodes: new Set(
        speakers
          .flatMap(({ address4, address6 }) => [address4, address6])
          .flatMap(own => (own ? [formatAddress(own.address)] : [])),
      ),
      statuses: this.#ports.peers(),
      others: handovers.filter(each => each.node !== node && names.has(each.node)),
      loneBlock: peers =>
        blocks
          .filter(block => block.node !== node)
          .map(({ cidr }) => cidr)
          .find(cidr => {
            const tellers = this.#ports.tellers(cidr)
            return tellers.length > 0 && tellers.every(name => peers.has(name))
          }),
      since: now() - this.#digest.since,
      allInSync: this.#allInSyncSince === undefined ? undefined : now() - this.#allInSyncSince,
    })
    this.#allInSyncSince = plan.areAllInSync ? (this.#allInSyncSince ?? now()) : undefined
    this.#waits = plan.waits
    const stored = handovers.find(each => each.node === node)
    const said = { node, inSync: plan.isInSync ? digest : '', done: plan.isDone ? digest : '' }
    this.#say(said, stored, digest)
    if (plan.kept.length > 0 || stored?.done !== digest) this.#later.in(lookAgain)
    return (this.#last = this.#merge(planned, plan.kept))
  }

  close(): void {
    this.#later.cancel()
  }

  #keptOf(planned: SpeakerConfig): readonly string[] {
    return (this.#made?.kept.split(' ') ?? []).filter(name => name !== '' && !planned.peers.has(name))
  }

  /** The same object for the same content. */
  #merge(planned: SpeakerConfig, kept: readonly string[]): SpeakerConfig {
    const names = kept.join(' ')
    if (this.#made?.from === planned && this.#made.kept === names) return this.#made.config
    const { peers } = this.#last ?? planned
    const stay = kept.flatMap(name => {
      const peer = peers.get(name)
      return peer ? [[name, peer] as const] : []
    })
    const config = stay.length === 0 ? planned : { ...planned, peers: new Map([...planned.peers, ...stay]) }
    this.#made = { from: planned, kept: names, config }
    return config
  }

  /**
   * What is said by a digest stays said: a session that goes down later takes nothing back. Another digest takes all back: who goes
   * from a mesh to reflectors and soon back must not be taken at the word of the first time.
   */
  #say(said: Handover, stored: Handover | undefined, digest: string): void {
    const inSync = stored?.inSync === digest ? digest : said.inSync
    const done = stored?.inSync === digest && stored.done === digest ? digest : said.done
    if (inSync === '' || (inSync === stored?.inSync && done === stored.done)) return
    void this.#write({ ...said, inSync, done })
  }

  async #write({ node, ...value }: Handover): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    const { datastore } = this.#ports
    try {
      await writeOwn(datastore, handoverKind, node, value)
    } catch {
      // Said again later; the others wait for it no longer than their deadline.
      this.#later.in(retryAfter)
    } finally {
      this.#writing = false
    }
  }
}

function isSameSpeaker(a: SpeakerConfig, b: SpeakerConfig): boolean {
  return a.asn === b.asn && a.routerId === b.routerId && a.clusterId === b.clusterId
}
