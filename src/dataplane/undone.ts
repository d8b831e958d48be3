// What others undo of devices that are kept as wanted, counted object by object: its MTU, an address, a neighbour. Three deeds of several
// kinds are three deeds; three of one kind, each soon after the one before, are a fight about that object, and only that waits.

import type { Clock } from './clock.ts'
import { Fights } from './fights.ts'

export interface UndoneFight {
  readonly device: string
  /** What somebody keeps changing: `it`, `its MTU`. */
  readonly object: string
  readonly count: number
}

export class Undone {
  readonly #fights: Fights<never>
  /** By device: what was wanted when it was last seen, and what it still lacked. */
  readonly #seen = new Map<string, { readonly wanted: unknown; readonly lacking: ReadonlySet<string> }>()
  readonly #objects = new Map<string, Set<string>>()

  constructor(clock: Clock) {
    this.#fights = new Fights(clock)
  }

  /**
   * What a look has found lacking: what was there at the last look (`seen`, for the same wish) was undone by somebody. Returns the
   * milliseconds that each object which is fought about has to wait; the others may be put right now.
   */
  found(device: string, wanted: unknown, lacking: readonly string[]): ReadonlyMap<string, number> {
    const before = this.#seen.get(device)
    this.#seen.delete(device)
    for (const object of lacking)
      if (before && before.wanted === wanted && !before.lacking.has(object)) this.#struck(device, object)
    return new Map(
      lacking.flatMap(object => {
        const key = keyOf(device, object)
        const wait = this.#fights.at(key) ? this.#fights.wait(key) : 0
        return wait > 0 ? [[object, wait] as const] : []
      }),
    )
  }

  /** The device is as wanted now, but for what has to wait. */
  seen(device: string, wanted: unknown, lacking: Iterable<string> = []): void {
    this.#seen.set(device, { wanted, lacking: new Set(lacking) })
  }

  /** The device is not wanted any more. */
  forget(device: string): void {
    this.#seen.delete(device)
    for (const object of this.#objects.get(device) ?? []) this.#fights.forget(keyOf(device, object))
    this.#objects.delete(device)
  }

  /** Every fight that goes on. */
  get fights(): readonly UndoneFight[] {
    return [...this.#fights.all()].map(([key, { count }]) => {
      const [device, object] = key.split('\n')
      return { device, object, count }
    })
  }

  #struck(device: string, object: string): void {
    this.#fights.struck(keyOf(device, object))
    const objects = this.#objects.get(device) ?? new Set()
    this.#objects.set(device, objects.add(object))
  }
}

function keyOf(device: string, object: string): string {
  return `${device}\n${object}`
}
