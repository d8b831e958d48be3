// The memory of columns and hash indexes, by the table that they are part of: whoever makes an array is on the stack then. Counts are of
// the code alone, the same on every machine. To be imported before a table is made.

export const tables = ['Adj-RIB-In', 'Loc-RIB', 'Adj-RIB-Out', 'attribute sets', 'else'] as const
export type Table = (typeof tables)[number]
export type ByTable = Readonly<Record<Table, number>>

/** The first of these on the way up from a column says which table it is. */
const files: readonly (readonly [file: string, table: Table])[] = [
  ['/bgp/tables/prefix-table.ts', 'Loc-RIB'],
  ['/bgp/rib/loc-rib.ts', 'Loc-RIB'],
  ['/bgp/rib/paths.ts', 'Adj-RIB-In'],
  ['/bgp/tables/attribute-sets.ts', 'attribute sets'],
  ['/bgp/tables/next-hops.ts', 'attribute sets'],
  ['/bgp/groups/', 'Adj-RIB-Out'],
]

interface Memory {
  readonly byteLength: number
  /** Of a SharedArrayBuffer. */
  readonly growable?: boolean
}

const living: { readonly table: Table; readonly memory: WeakRef<Memory> }[] = []
const taken = zeros()
const times = zeros()

/** Octets of what is alive, exact after a garbage collection. */
export function octetsAlive(): ByTable {
  const sums = zeros()
  for (const { table, memory } of living) sums[table] += memory.deref()?.byteLength ?? 0
  return sums
}

/** Those of them that Node does not count (`process.memoryUsage`): of what can grow in place. */
export function growableAlive(): number {
  return living
    .map(({ memory }) => memory.deref())
    .reduce((sum, found) => sum + (found?.growable ? found.byteLength : 0), 0)
}

/** Octets taken since the last call, whether given back since or not, and how often. */
export function takenSince(): { readonly octets: ByTable; readonly times: ByTable } {
  const found = { octets: { ...taken }, times: { ...times } }
  Object.assign(taken, zeros())
  Object.assign(times, zeros())
  return found
}

function zeros(): Record<Table, number> {
  return Object.fromEntries(tables.map(table => [table, 0])) as Record<Table, number>
}

function count(octets: number): Table {
  const table = tableOf(new Error().stack ?? '')
  taken[table] += octets
  times[table]++
  return table
}

function tableOf(stack: string): Table {
  for (const frame of stack.split('\n')) for (const [file, table] of files) if (frame.includes(file)) return table
  return 'else'
}

function made(memory: Memory): void {
  if (memory.byteLength > 0) living.push({ table: count(memory.byteLength), memory: new WeakRef(memory) })
}

Error.stackTraceLimit = 30

globalThis.SharedArrayBuffer = class extends SharedArrayBuffer {
  constructor(length = 0, options?: { maxByteLength?: number }) {
    super(length, options)
    made(this)
  }

  override grow(length = this.byteLength): void {
    count(length - this.byteLength)
    super.grow(length)
  }
}

/** The slots of a hash index. */
globalThis.Int32Array = new Proxy(Int32Array, {
  construct(type, given, self): object {
    const array = Reflect.construct(type, given, self) as Int32Array
    made(array)
    return array
  },
})
