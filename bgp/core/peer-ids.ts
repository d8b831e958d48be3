// Dense peer ids, given again only when no table knows the old peer any more.

import type { PeerId } from '../types.ts'

export class PeerIds {
  #next = 0
  #given: PeerId[] = []

  /** The lowest id that `isForgotten`, or a new one. */
  take(isForgotten: (id: PeerId) => boolean): PeerId {
    const at = this.#given.findIndex(isForgotten)
    return at < 0 ? (this.#next++ as PeerId) : this.#given.splice(at, 1)[0]
  }

  give(id: PeerId): void {
    this.#given.push(id)
  }
}
