// When the daemon is in sync: the datastore has been read, and each peer has told what it has. Before that nothing is deleted from the
// kernel, and before all of its own is known the node says no End-of-RIB.

import { systemClock } from '../../bgp/index.ts'
import type { Dataplane } from '../dataplane/index.ts'
import type { Intent } from '../model/intent.ts'
import type { Bgp } from './bgp.ts'
import type { Log } from './log.ts'
import { deferredFor, waitedFor } from './sync.ts'

/** Milliseconds between looks; and where all have told what they have, and it is only not taken in yet. */
const lookEvery = 250
const takenInAfter = 10
const theDatastore = 'the datastore'
const underWay = 'routes under way'

interface Watched {
  readonly log: Log
  readonly bgp: Bgp
  readonly routes: Dataplane['routes']
  readonly isClusterInSync: () => boolean
  /** It has been seen, now or by the last run. */
  readonly knowsCluster: () => boolean
  /** After a restart: the speaker whose peers have yet to tell what it passes on. */
  readonly tellers: () => Intent['speaker']
  /** More may be told, or deleted, than when the last plan was made. */
  readonly onChange: () => void
  /** Once. */
  readonly onSync: () => void
}

export class SyncWatch {
  readonly #watched: Watched
  #isSynced = false
  /** The plan in force allows End-of-RIB. */
  #isPlanComplete = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined

  constructor(watched: Watched) {
    this.#watched = watched
  }

  /** Whether all that this node announces is known. A restarted reflector passes on what its peers have yet to tell. */
  get isComplete(): boolean {
    if (this.#isSynced) return true
    const { bgp, knowsCluster, tellers } = this.#watched
    if (!knowsCluster()) return false
    const speaker = tellers()
    if (speaker?.clusterId === undefined) return true
    const peers = bgp.peers()
    return peers.length >= speaker.peers.size && deferredFor(peers, bgp.age, systemClock.now()).length === 0
  }

  /** What stands between now and deletes from the kernel. */
  get waitingFor(): readonly string[] {
    if (this.#isSynced) return []
    const { bgp, isClusterInSync } = this.#watched
    const datastore = isClusterInSync() ? [] : [theDatastore]
    return [...datastore, ...waitedFor(bgp.peers(), bgp.age), ...(bgp.busy ? [underWay] : [])]
  }

  start(): void {
    this.#lookIn(lookEvery)
  }

  /** A peer has told all that it has. */
  toldAll(): void {
    this.#lookIn(takenInAfter)
  }

  /** A plan is in force that was made when `isComplete` said so. */
  planned(isComplete: boolean): void {
    this.#isPlanComplete = isComplete
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #lookIn(delay: number): void {
    clearTimeout(this.#timer)
    if (!this.#isSynced && !this.#isClosed) this.#timer = setTimeout(() => this.#look(), delay)
  }

  #look(): void {
    const { log, routes, knowsCluster, onChange, onSync } = this.#watched
    if (!this.#isPlanComplete && this.isComplete) onChange()
    const { waitingFor } = this
    // The peers have told all: what they say may be added and replaced, also while the datastore is away.
    if (knowsCluster() && waitingFor.every(what => what === theDatastore)) routes.ready('bgp')
    if (waitingFor.length > 0)
      return this.#lookIn(waitingFor.every(what => what === underWay) ? takenInAfter : lookEvery)
    this.#isSynced = true
    routes.inSync('bgp')
    log.info('in sync', { routes: routes.counts.installed })
    onSync()
    onChange()
  }
}
