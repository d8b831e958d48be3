// A hash index from a key to a dense id, in 1,024 shards of open addressing.
//
// The index holds ids only; the subclass knows the keys. A slot also keeps six bits of the hash, so that nearly every
// slot of another key is passed without a look at its columns. A shard becomes four times as large when three quarters
// full, a very large one twice: so the longest single insertion moves a thousandth of the table, and few entries are moved, each of which needs
// its hash anew, out of columns in far memory. Deletion shifts back, so there are no tombstones to wade through.
// The hash must be seeded: a peer chooses the keys (design §4.8).
//
// Shards of one size are parts of one array, their level: so a look-up waits for far memory once, for the slot, and not for
// an array object of its shard before. What of a level is not used yet costs no memory, only addresses.

const SHARD_BITS = 10
const SHARDS = 1 << SHARD_BITS
/** A slot is six bits of the hash and an id; 0 = empty. */
const ID_BITS = 26
const ID_MASK = (1 << ID_BITS) - 1
/** A shard has 2 to this power slots at first, and grows by two levels up to that one, at a million entries or so; then by one. */
const FIRST_LEVEL = 1
const LARGE_LEVEL = 11
const NO_SLOTS = new Int32Array(0)

/** Ids must stay below this. */
export const MAX_IDS = 1 << ID_BITS

export abstract class ShardedIndex {
  /** By level: all shards with 2 to this power slots. */
  readonly #levels: Int32Array[] = Array.from({ length: ID_BITS }, () => NO_SLOTS)
  /** Shards at each level. */
  readonly #counts = new Uint16Array(ID_BITS)
  readonly #levelOf = new Uint8Array(SHARDS).fill(FIRST_LEVEL)
  readonly #filled = new Uint32Array(SHARDS)

  constructor() {
    this.#levels[FIRST_LEVEL] = new Int32Array(SHARDS << FIRST_LEVEL)
    this.#counts[FIRST_LEVEL] = SHARDS
  }

  /** The hash of an entry's key, a signed 32-bit number: V8 keeps those in a register where unsigned ones may become objects. */
  protected abstract hashOf(id: number): number

  /** Whether the entry has the key that is being looked for. */
  protected abstract isSought(id: number): boolean

  /** The id with the sought key, whose hash is `hash`; 0 if there is none. */
  protected findId(hash: number): number {
    const shard = hash >>> (32 - SHARD_BITS)
    const level = this.#levelOf[shard]
    const slots = this.#levels[level]
    const first = shard << level
    const mask = (1 << level) - 1
    const tag = slotOf(hash, 0)
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const slot = slots[first + i]
      if (slot === 0) return 0
      if (((slot ^ tag) & ~ID_MASK) === 0 && this.isSought(slot & ID_MASK)) return slot & ID_MASK
    }
  }

  /** Adds an id that is not in the index yet. */
  protected addId(hash: number, id: number): void {
    const shard = hash >>> (32 - SHARD_BITS)
    if (++this.#filled[shard] * 4 > 3 << this.#levelOf[shard]) this.#grow(shard)
    const level = this.#levelOf[shard]
    put(this.#levels[level], shard << level, (1 << level) - 1, hash, id)
  }

  /** Removes an id that is in the index. */
  protected removeId(hash: number, id: number): void {
    const shard = hash >>> (32 - SHARD_BITS)
    const level = this.#levelOf[shard]
    const slots = this.#levels[level]
    const first = shard << level
    const mask = (1 << level) - 1
    const sought = slotOf(hash, id)
    let hole = hash & mask
    while (slots[first + hole] !== sought) hole = (hole + 1) & mask
    for (let i = (hole + 1) & mask; slots[first + i] !== 0; i = (i + 1) & mask) {
      const home = this.hashOf(slots[first + i] & ID_MASK) & mask
      if (((i - home) & mask) < ((i - hole) & mask)) continue
      slots[first + hole] = slots[first + i]
      hole = i
    }
    slots[first + hole] = 0
    this.#filled[shard]--
  }

  #grow(shard: number): void {
    const from = this.#levelOf[shard]
    const to = from + (from < LARGE_LEVEL ? 2 : 1)
    const old = this.#levels[from]
    if (this.#counts[to] === 0) this.#levels[to] = new Int32Array(SHARDS << to)
    const slots = this.#levels[to]
    for (let at = shard << from, end = (shard + 1) << from; at < end; at++) {
      const id = old[at] & ID_MASK
      if (id !== 0) put(slots, shard << to, (1 << to) - 1, this.hashOf(id), id)
    }
    this.#levelOf[shard] = to
    this.#counts[to]++
    if (--this.#counts[from] === 0) this.#levels[from] = NO_SLOTS
  }
}

/** Bits 16 to 21 of the hash go with the id: they choose neither the shard nor, while that is small, the place in it. */
function slotOf(hash: number, id: number): number {
  return (((hash >>> 16) & 63) << ID_BITS) | id
}

function put(slots: Int32Array, first: number, mask: number, hash: number, id: number): void {
  let i = hash & mask
  while (slots[first + i] !== 0) i = (i + 1) & mask
  slots[first + i] = slotOf(hash, id)
}

/** Spreads the bits of a 32-bit number over all 32, as a signed number (the finalizer of MurmurHash3). */
export function mix(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
