// How long a peer rests in Idle after an error (RFC 4271 §8.1.1, DampPeerOscillations).
//
// The rest doubles with every session that died young and is forgotten once one has lived for a while, so that a peer
// which sends the same bad message each time cannot keep both ends busy.

/** Seconds of the first rest, and of the longest. */
export const FIRST_REST = 1
export const LONGEST_REST = 30
/** The longest while routes are kept for the peer (RFC 4724): it has to be back within its restart time. */
export const LONGEST_WHILE_KEPT = 4
/** A session that stays Established so many seconds clears the record. */
export const SETTLED = 30

export class Backoff {
  #deaths = 0

  /** Seconds to rest after a session that was Established for `lived` seconds (0 = never); `kept`: its routes are kept. */
  next(lived: number, kept: boolean): number {
    this.#deaths = lived >= SETTLED ? 1 : this.#deaths + 1
    return Math.min(FIRST_REST * 2 ** (this.#deaths - 1), kept ? LONGEST_WHILE_KEPT : LONGEST_REST)
  }

  clear(): void {
    this.#deaths = 0
  }
}
