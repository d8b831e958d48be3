// A hash index from a key to a dense id, in 1,024 shards of open addressing.
//
// The index holds ids only; the subclass knows the keys. A slot also keeps six bits of the hash, so that nearly every
// slot of another key is passed without a look at its columns. A shard doubles when three quarters full, so the longest
// single insertion moves a thousandth of the table. Deletion shifts back, so there are no tombstones to wade through.
// The hash must be seeded: a peer chooses the keys (design §4.8).

const SHARD_BITS = 10
/** A slot is six bits of the hash and an id; 0 = empty. */
const ID_BITS = 26
const ID_MASK = (1 << ID_BITS) - 1
const NO_SLOTS = new Int32Array(0)

/** Ids must stay below this. */
export const MAX_IDS = 1 << ID_BITS

export abstract class ShardedIndex {
  readonly #shards: Int32Array[] = Array.from({ length: 1 << SHARD_BITS }, () => NO_SLOTS)
  readonly #filled = new Uint32Array(1 << SHARD_BITS)

  /** The hash of an entry's key, unsigned 32 bits. */
  protected abstract hashOf(id: number): number

  /** Whether the entry has the key that is being looked for. */
  protected abstract isSought(id: number): boolean

  /** The id with the sought key, whose hash is `hash`; 0 if there is none. */
  protected findId(hash: number): number {
    const slots = this.#shards[hash >>> (32 - SHARD_BITS)]
    if (slots.length === 0) return 0
    const mask = slots.length - 1
    const tag = slotOf(hash, 0)
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const slot = slots[i]
      if (slot === 0) return 0
      if (((slot ^ tag) & ~ID_MASK) === 0 && this.isSought(slot & ID_MASK)) return slot & ID_MASK
    }
  }

  /** Adds an id that is not in the index yet. */
  protected addId(hash: number, id: number): void {
    const shard = hash >>> (32 - SHARD_BITS)
    let slots = this.#shards[shard]
    if (++this.#filled[shard] * 4 > slots.length * 3) slots = this.#grow(shard)
    put(slots, hash, id)
  }

  /** Removes an id that is in the index. */
  protected removeId(hash: number, id: number): void {
    const shard = hash >>> (32 - SHARD_BITS)
    const slots = this.#shards[shard]
    const mask = slots.length - 1
    const sought = slotOf(hash, id)
    let hole = hash & mask
    while (slots[hole] !== sought) hole = (hole + 1) & mask
    for (let i = (hole + 1) & mask; slots[i] !== 0; i = (i + 1) & mask) {
      const home = this.hashOf(slots[i] & ID_MASK) & mask
      if (((i - home) & mask) < ((i - hole) & mask)) continue
      slots[hole] = slots[i]
      hole = i
    }
    slots[hole] = 0
    this.#filled[shard]--
  }

  #grow(shard: number): Int32Array {
    const old = this.#shards[shard]
    const slots = new Int32Array(Math.max(8, old.length * 2))
    for (const slot of old) if (slot !== 0) put(slots, this.hashOf(slot & ID_MASK), slot & ID_MASK)
    this.#shards[shard] = slots
    return slots
  }
}

/** Bits 16 to 21 of the hash go with the id: they choose neither the shard nor, while that is small, the place in it. */
function slotOf(hash: number, id: number): number {
  return (((hash >>> 16) & 63) << ID_BITS) | id
}

function put(slots: Int32Array, hash: number, id: number): void {
  const mask = slots.length - 1
  let i = hash & mask
  while (slots[i] !== 0) i = (i + 1) & mask
  slots[i] = slotOf(hash, id)
}

/** Spreads the bits of a 32-bit number over all 32 (the finalizer of MurmurHash3). */
export function mix(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
