// Columns: typed arrays that grow in place.
//
// A column reserves address space for its configured maximum and commits only what it uses, so growing neither copies
// nor makes a long turn. Where the reservation is refused (a limit on virtual memory) or exceeded, growing copies.

export type Column = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>

interface ColumnType<T extends Column> {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBuffer): T
}

/** Entries by which columns grow. */
export const STEP = 256 * 1024

/** Entries that a column begins with: most speakers have a few hundred prefixes, and what is committed counts for the garbage collector. */
export const FIRST = 4096

/** A column of zeros with `entries` entries, that can grow to `reserve` entries without a copy. */
export function column<T extends Column>(type: ColumnType<T>, entries: number, reserve: number): T {
  const bytes = entries * type.BYTES_PER_ELEMENT
  return new type(reserved(bytes, Math.max(bytes, reserve * type.BYTES_PER_ELEMENT)))
}

/** The column with `entries` entries: the same object where it could grow in place, else a copy. New entries are 0. */
export function resized<T extends Column>(column: T, entries: number): T {
  const bytes = entries * column.BYTES_PER_ELEMENT
  const { buffer } = column
  if (buffer.resizable && bytes <= buffer.maxByteLength) {
    buffer.resize(bytes)
    return column
  }
  const type = column.constructor as ColumnType<T>
  const copy = new type(reserved(bytes, bytes * 2))
  copy.set(entries < column.length ? column.subarray(0, entries) : column)
  return copy
}

/** The number of entries to grow to so that `entries` fit. */
export function roundUp(entries: number): number {
  return Math.ceil(entries / STEP) * STEP
}

function reserved(bytes: number, maxByteLength: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes, { maxByteLength })
  } catch {
    return new ArrayBuffer(bytes)
  }
}
