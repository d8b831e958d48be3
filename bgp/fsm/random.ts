// Numbers for jitter from a seed, so that a simulation runs the same way twice (mulberry32). Not for secrets.

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** `value` times 0.75 to 1.0 (RFC 4271 §10). */
  jitter(value: number): number {
    return value * (0.75 + this.next() / 4)
  }

  /** A 32-bit seed for somebody else. */
  seed(): number {
    return Math.floor(this.next() * 4294967296)
  }
}
