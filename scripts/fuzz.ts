// `npm run fuzz -- [--seconds 3600] [--seed N] [--keep FILE]`: looks for octets that make the BGP codec or a session break a promise.
//
// Starts from the corpus and from generated messages of every type, changes them a little, and gives them to the oracle of the
// codec (bgp/wire/test-oracle.ts), now and then as a stream to a whole speaker (bgp/core/test-stream.ts). A message that reaches
// code which none reached before joins the pool, and with --keep a file: the corpus is bgp/wire/fuzz-corpus.txt. What breaks a promise is
// made small, printed as hex, and makes the exit status 1. A worker does the work, so that an endless loop is noticed too.

import { appendFileSync, readFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import * as fc from 'fast-check'
import { Random } from '../bgp/fsm/random.ts'
import { streamFault } from '../bgp/core/test-stream.ts'
import { mutate } from '../bgp/wire/test-mutations.ts'
import { judge } from '../bgp/wire/test-oracle.ts'
import { messages, nearlyRight } from '../bgp/wire/test-values.ts'

const corpusFile = new URL('../bgp/wire/fuzz-corpus.txt', import.meta.url)
/** Seconds on one message or stream after which the worker hangs. */
const HANGS = 100
/** Messages between two looks at what code they reached. */
const BATCH = 3000
/** Messages of a batch that go as a stream to a whole speaker, too. */
const STREAM = 30
/** Share of messages of which every single read is watched, which is slow. */
const WATCHED = 0.05

interface Job {
  readonly seconds: number
  readonly seed: number
  /** What the worker is looking at, for the case that it never comes back: how many it was, its length, its octets. */
  readonly shown: SharedArrayBuffer
}

type News =
  | { readonly kind: 'alive'; readonly tried: number; readonly pool: number }
  | { readonly kind: 'reached'; readonly hex: string }
  | { readonly kind: 'broken'; readonly what: string; readonly hex: readonly string[] }

const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

function readCorpus(): Uint8Array[] {
  const lines = readFileSync(corpusFile, 'utf8').split('\n')
  return lines.filter(line => /^[0-9a-f]+$/.test(line)).map(line => Uint8Array.from(Buffer.from(line, 'hex')))
}

// ---- coverage -------------------------------------------------------------------------------------------------------

/** Tells whether code of the codec has run that had not run before: blocks, as V8 counts them. */
class Coverage {
  readonly #session = new Session()
  readonly #reached = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** New blocks since the last call. */
  fresh(): readonly string[] {
    const found: string[] = []
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error) throw error
      for (const script of taken.result) {
        if (!script.url.includes('/bgp/wire/') || script.url.includes('/test-')) continue
        for (const { ranges } of script.functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const block = `${script.url}:${startOffset}-${endOffset}`
            if (count > 0 && !this.#reached.has(block)) found.push(block)
          }
        }
      }
    })
    return found
  }

  learn(blocks: readonly string[]): void {
    for (const block of blocks) this.#reached.add(block)
  }
}

// ---- the worker -----------------------------------------------------------------------------------------------------

function faultOf(message: Uint8Array, watched = true): string | undefined {
  try {
    judge(message, watched)
    return undefined
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}

/** A smaller message that breaks the same promise. */
function shrink(message: Uint8Array): Uint8Array {
  let least = message
  for (let size = least.length >> 1; size > 0; size >>= 1) {
    for (let at = 19; at + size <= least.length;) {
      const shorter = Uint8Array.from([...least.subarray(0, at), ...least.subarray(at + size)])
      shorter[16] = shorter.length >> 8
      shorter[17] = shorter.length & 255
      if (faultOf(shorter) === undefined) at += size
      else least = shorter
    }
  }
  return least
}

function work({ seconds, seed, shown }: Job): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
  const tell = (news: News): void => parentPort?.postMessage(news)
  const random = new Random(seed)
  const pick = <One>(list: readonly One[]): One => list[Math.floor(random.next() * list.length)]
  const types = [...Object.values(messages), nearlyRight, nearlyRight]
  const fresh = (): Uint8Array[] => fc.sample(pick(types), { numRuns: 100, seed: random.seed() | 0 })
  const pool = [...readCorpus(), ...types.flatMap(type => fc.sample(type, { numRuns: 40, seed }))]
  const coverage = new Coverage()
  const [counts, look] = [new Uint32Array(shown, 0, 2), new Uint8Array(shown, 8)]
  const judged = (message: Uint8Array): boolean => {
    counts[0]++
    counts[1] = message.length
    look.set(message)
    const what = faultOf(message, random.next() < WATCHED)
    if (what !== undefined) tell({ kind: 'broken', what, hex: [hexOf(shrink(message))] })
    return what === undefined
  }
  for (const message of pool) judged(message)
  coverage.learn(coverage.fresh())

  /** Finds the messages of a list, all judged just now, that reached new code: by halves, for a look takes long. */
  const hunt = (list: readonly Uint8Array[]): void => {
    const blocks = coverage.fresh()
    if (blocks.length === 0) return
    if (list.length === 1) {
      coverage.learn(blocks)
      pool.push(list[0])
      return tell({ kind: 'reached', hex: hexOf(list[0]) })
    }
    for (const half of [list.slice(0, list.length >> 1), list.slice(list.length >> 1)]) {
      for (const message of half) judged(message)
      hunt(half)
    }
  }

  const end = performance.now() + seconds * 1000
  let tried = 0
  for (let batch = 0; performance.now() < end; batch++) {
    if (batch % 4 === 3) pool.push(...fresh().filter(judged))
    const list = Array.from({ length: BATCH }, () => mutate(pick(pool), pick(pool), random))
    const good = list.filter(judged)
    hunt(good)
    const stream = list.slice(0, STREAM)
    const what = streamFault(stream)
    if (what !== undefined) tell({ kind: 'broken', what, hex: stream.map(hexOf) })
    tried += list.length
    if (pool.length > 4000) pool.splice(Math.floor(random.next() * 2000), 500)
    tell({ kind: 'alive', tried, pool: pool.length })
  }
}

// ---- the main thread ------------------------------------------------------------------------------------------------

function main(): void {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      keep: { type: 'string' },
    },
  })
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new RangeError('--seconds and --seed take numbers')
  const shown = new SharedArrayBuffer(1 << 17)
  const job: Job = { seconds, seed, shown }
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job })
  console.log(`seed ${seed}, ${seconds} s`)
  let [tried, pool, reached, broken, printed] = [0, 0, 0, 0, performance.now()]
  const totals = (): string =>
    `${tried} messages tried, ${reached} reached new code, pool of ${pool}, ${broken} broke a promise`
  const found = (what: string, hex: readonly string[]): void => {
    broken++
    console.log(`BROKEN: ${what}\n${hex.map(line => `  ${line}`).join('\n')}`)
  }
  const counts = new Uint32Array(shown, 0, 2)
  let last = 0
  const watchdog = setInterval(() => {
    if (counts[0] === last) {
      found(`no answer for ${HANGS} s`, [hexOf(new Uint8Array(shown, 8).slice(0, counts[1]))])
      void worker.terminate()
    }
    last = counts[0]
  }, HANGS * 1000)
  worker.on('message', (news: News) => {
    if (news.kind === 'broken') return found(news.what, news.hex)
    if (news.kind === 'reached') {
      reached++
      if (values.keep) appendFileSync(values.keep, `${news.hex}\n`)
      return
    }
    ;({ tried, pool } = news)
    if (performance.now() - printed < 10_000) return
    printed = performance.now()
    console.log(totals())
  })
  worker.on('error', error => found(`the fuzzer itself: ${error instanceof Error ? error.stack : String(error)}`, []))
  worker.on('exit', () => {
    clearInterval(watchdog)
    console.log(totals())
    process.exitCode = broken > 0 ? 1 : 0
  })
}

if (isMainThread) main()
else work(workerData as Job)
