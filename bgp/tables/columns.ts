// Columns: typed arrays that grow in place.
//
// A column reserves address space for its configured maximum and commits only what it uses, so growing neither copies
// nor makes a long turn. Where the reservation is refused (a limit on virtual memory) or exceeded, growing copies. A column
// with nothing to reserve is plain memory as long as it is small: each reservation is a mapped area of its own, of which
// Linux gives a process 65,530 (vm.max_map_count), and a simulation has thousands of speakers.
//
// The buffers are shared ones, though no other thread sees them: V8 reads a view of fixed length over memory that cannot
// shrink as fast as any array, and one over a resizable ArrayBuffer five times slower. So a column that grows is
// another view of the same memory, and nobody may keep the one before.

export type Words = Uint32Array<SharedArrayBuffer>
export type Halves = Uint16Array<SharedArrayBuffer>
export type Octets = Uint8Array<SharedArrayBuffer>
export type Column = Octets | Halves | Words

type ViewType<T extends Column> = new (buffer: SharedArrayBuffer, offset: number, entries: number) => T

/** Entries by which columns grow. */
export const STEP = 256 * 1024

/** Entries that a column begins with: most speakers have a few hundred prefixes, and what is committed counts for the garbage collector. */
export const FIRST = 512

/** Octets of a column without a reservation from which on it gets one when it grows. */
const PLAIN = 1 << 20

/** A column of zeros with `entries` entries, that can grow to `reserve` entries without a copy. */
export function column(type: Uint32ArrayConstructor, entries: number, reserve: number): Words
export function column(type: Uint16ArrayConstructor, entries: number, reserve: number): Halves
export function column(type: Uint8ArrayConstructor, entries: number, reserve: number): Octets
export function column(
  type: Uint32ArrayConstructor | Uint16ArrayConstructor | Uint8ArrayConstructor,
  entries: number,
  reserve: number,
): Column {
  const bytes = entries * type.BYTES_PER_ELEMENT
  const buffer = reserved(bytes, Math.max(bytes, reserve * type.BYTES_PER_ELEMENT))
  return new (type as ViewType<Column>)(buffer, 0, entries)
}

/** The column with `entries` entries: the same memory where it could grow in place, else a copy. New entries are 0. */
export function resized<T extends Column>(column: T, entries: number): T {
  const type = column.constructor as ViewType<T>
  const bytes = entries * column.BYTES_PER_ELEMENT
  const { buffer } = column
  if (buffer.growable && bytes >= buffer.byteLength && bytes <= buffer.maxByteLength) {
    buffer.grow(bytes)
    return new type(buffer, 0, entries)
  }
  const most = buffer.growable || bytes > PLAIN ? Math.max(bytes * 2, buffer.maxByteLength) : bytes
  const copy = new type(reserved(bytes, most), 0, entries)
  copy.set(entries < column.length ? column.subarray(0, entries) : column)
  return copy
}

/** The number of entries to grow to so that `entries` fit: twice as many each time, later in steps. */
export function roundUp(entries: number, step = STEP): number {
  if (entries > step / 2) return Math.ceil(entries / step) * step
  return Math.max(FIRST, 1 << (32 - Math.clz32(entries - 1)))
}

function reserved(bytes: number, maxByteLength: number): SharedArrayBuffer {
  if (maxByteLength <= bytes) return new SharedArrayBuffer(bytes)
  try {
    return new SharedArrayBuffer(bytes, { maxByteLength })
  } catch {
    return new SharedArrayBuffer(bytes)
  }
}
