// A random walk of two or three speakers over a network that delays, loses and cuts, against a model of what each must know.
//
// Whatever happens on the way, once everybody runs and every link is whole the speakers come to the state that a plain reading
// of the RFCs gives: `model` computes it from what each announces and from the filters, and nothing else.

import { Random } from '../fsm/random.ts'
import type { SimulatedSpeaker } from '../transport/simulation.ts'
import { Simulation } from '../transport/simulation.ts'
import type { Origination, Policy } from '../types.ts'
import { config } from './test-speakers.ts'

export interface WalkOptions {
  readonly seed: number
  readonly steps: number
  readonly speakers: 2 | 3
  readonly gracefulRestart: boolean
}

const PREFIXES = Array.from({ length: 8 }, (_, i) => `10.0.${i}.0/24`)
const low = { prefixes: [{ prefix: '10.0.0.0/22', min: 24, max: 24 }] }
/** Steps after which everything is mended and compared, so that a fault is told near its cause. */
const STRETCH = 2000
/** Seconds of virtual time within which speakers must agree once nothing is broken. */
const PATIENCE = 400

const filters: readonly Policy[] = [
  { name: 'all', rules: [], otherwise: 'accept' },
  { name: 'none', rules: [], otherwise: 'reject' },
  { name: 'low', rules: [{ name: 'low', when: low, then: 'accept' }], otherwise: 'reject' },
  {
    name: 'mark',
    rules: [{ name: 'low', when: low, then: 'next', set: { addCommunities: ['65000:7'] } }],
    otherwise: 'accept',
  },
]

/** What a filter does, in the model's words. */
function passes(filter: number, prefix: string, route: Known): Known | undefined {
  const isLow = PREFIXES.indexOf(prefix) < 4
  if (filter === 1 || (filter === 2 && !isLow)) return undefined
  if (filter !== 3 || !isLow) return route
  return { ...route, communities: [...new Set([...route.communities, '65000:7'])].toSorted() }
}

/** A route as a speaker knows it. */
interface Known {
  /** Index of the speaker that sent it; its own index for its own. */
  readonly from: number
  readonly path: readonly number[]
  readonly med: number | undefined
  readonly communities: readonly string[]
}

interface Side {
  own: Map<string, { readonly med: number | undefined; readonly communities: readonly string[] }>
  /** By neighbour: what it lets in and out, as indices of `filters`. */
  readonly in: number[]
  readonly out: number[]
  words: number
  running: SimulatedSpeaker | undefined
}

const address = (i: number) => `10.9.0.${i + 1}`
const asn = (i: number) => 65001 + i

/** What everybody must know of a prefix: rounds of telling each other until nothing changes. */
function model(sides: readonly Side[], prefix: string): (Known | undefined)[] {
  let known: (Known | undefined)[] = sides.map(() => undefined)
  for (;;) {
    const next = sides.map((side, i): Known | undefined => {
      const own = side.own.get(prefix)
      if (own) return { from: i, path: [], ...own }
      const offers = sides.flatMap((other, j) => {
        const theirs = known[j]
        if (j === i || !theirs || theirs.from === i || theirs.path.includes(asn(i))) return []
        // MED goes one AS far (RFC 4271 §5.1.4).
        const told = passes(other.out[i], prefix, theirs.from === j ? theirs : { ...theirs, med: undefined })
        const taken = told && passes(side.in[j], prefix, told)
        return taken ? [{ ...taken, from: j, path: [asn(j), ...taken.path] }] : []
      })
      return offers.toSorted((a, b) => a.path.length - b.path.length || a.from - b.from)[0]
    })
    if (JSON.stringify(next) === JSON.stringify(known)) return known
    known = next
  }
}

const line = (prefix: string, { path, med, communities }: Known, hop: string) =>
  `${prefix} via ${hop} [${path.join(' ')}] med ${med} ${communities.join(' ')}`

class Walk {
  readonly #net: Simulation
  readonly #random: Random
  readonly #options: WalkOptions
  readonly #sides: readonly Side[]
  readonly #cut = new Set<string>()
  #faults: string[] = []

  constructor(options: WalkOptions) {
    const { seed, speakers } = options
    this.#options = options
    this.#net = new Simulation(seed)
    this.#random = new Random(seed)
    const all = () => Array.from({ length: speakers }, () => 0)
    this.#sides = all().map(() => ({ own: new Map(), in: all(), out: all(), words: 0, running: undefined }))
    for (const [i, j] of this.#links()) {
      this.#net.network.setLink(address(i), address(j), { delay: 1 + this.#pick(20), piece: 1 + this.#pick(900) })
    }
    for (let i = 0; i < speakers; i++) this.#start(i, false)
  }

  run(): string | undefined {
    for (let step = 1; step <= this.#options.steps; step++) {
      this.#step()
      if (step % STRETCH === 0 || step === this.#options.steps) {
        const wrong = this.#settle()
        if (wrong) return `seed ${this.#options.seed}, step ${step}: ${wrong}`
      }
    }
    return undefined
  }

  #pick(below: number): number {
    return Math.floor(this.#random.next() * below)
  }

  *#links(): Iterable<[number, number]> {
    for (let i = 0; i < this.#options.speakers; i++) for (let j = 0; j < i; j++) yield [j, i]
  }

  #step(): void {
    const i = this.#pick(this.#sides.length)
    const j = (i + 1 + this.#pick(this.#sides.length - 1)) % this.#sides.length
    const side = this.#sides[i]
    const chance = this.#random.next()
    if (chance < 0.55) this.#announce(side)
    else if (chance < 0.8) this.#withdraw(side)
    else if (chance < 0.84) this.#filter(side, i, j)
    else if (chance < 0.86) this.#withRunning(i, engine => engine.refreshPeer(address(j), this.#pick(2) ? 'in' : 'out'))
    else if (chance < 0.861) this.#withRunning(i, engine => engine.resetPeer(address(j)))
    else if (chance < 0.862) this.#toggleLink(i, j)
    else if (chance < 0.8625) this.#toggleSpeaker(i)
    else this.#net.run(chance < 0.99 ? this.#pick(30) / 1000 : this.#pick(4))
  }

  #announce(side: Side): void {
    const med = this.#pick(2) ? this.#pick(3) : undefined
    const communities = this.#pick(3) ? [] : [`65000:${this.#pick(3)}`]
    side.own.set(PREFIXES[this.#pick(PREFIXES.length)], { med, communities })
    this.#originate(side)
  }

  #withdraw(side: Side): void {
    side.own.delete(PREFIXES[this.#pick(PREFIXES.length)])
    this.#originate(side)
  }

  #originate({ own, running }: Side): void {
    const list = [...own].map(([prefix, { med, communities }]): Origination => ({ prefix, med, communities }))
    running?.driver.with(engine => engine.originate(list))
  }

  #filter(side: Side, i: number, j: number): void {
    if (this.#pick(4) === 0) side.words++
    else if (this.#pick(2)) side.in[j] = this.#pick(filters.length)
    else side.out[j] = this.#pick(filters.length)
    side.running?.configure(this.#config(i))
  }

  #withRunning(i: number, act: (engine: SimulatedSpeaker['engine']) => unknown): void {
    this.#sides[i].running?.driver.with(act)
  }

  #toggleLink(i: number, j: number): void {
    const { network } = this.#net
    const key = i < j ? `${i},${j}` : `${j},${i}`
    if (this.#cut.delete(key)) {
      // What was under way meanwhile arrives late, or never.
      if (this.#pick(2)) network.forget(address(i), address(j))
      network.mend(address(i), address(j))
    } else {
      this.#cut.add(key)
      network.cut(address(i), address(j))
    }
  }

  #toggleSpeaker(i: number): void {
    const { running } = this.#sides[i]
    if (!running) return this.#start(i, this.#pick(2) === 0)
    this.#collect(running)
    if (this.#pick(2)) running.stop(this.#pick(2) ? 'cease' : 'restart')
    running.kill()
    this.#sides[i].running = undefined
  }

  #start(i: number, restarting: boolean): void {
    const running = this.#net.add(this.#config(i, restarting), address(i))
    this.#sides[i].running = running
    this.#originate(this.#sides[i])
    if (this.#options.gracefulRestart) running.driver.with(engine => engine.setComplete(true))
  }

  #config(i: number, restarting = false) {
    const { gracefulRestart } = this.#options
    const side = this.#sides[i]
    const peers = this.#sides.flatMap((_, j) =>
      j === i
        ? []
        : [
            [
              address(j),
              {
                remoteAs: asn(j),
                holdTime: 9,
                import: filters[side.in[j]],
                export: filters[side.out[j]],
                description: `${side.words}`,
              },
            ] as const,
          ],
    )
    const restart = { restartTime: 12, restarting, forwarding: restarting }
    return config(address(i), asn(i), Object.fromEntries(peers), gracefulRestart ? { gracefulRestart: restart } : {})
  }

  /** Mends and starts everything, waits, and says what differs from the model. */
  #settle(): string | undefined {
    for (const [i, j] of this.#links()) if (this.#cut.has(`${i},${j}`)) this.#toggleLink(i, j)
    this.#sides.forEach((side, i) => {
      if (!side.running) this.#start(i, false)
    })
    const expected = this.#sides.map((): string[] => [])
    for (const prefix of PREFIXES) {
      model(this.#sides, prefix).forEach((known, i) => {
        if (known) expected[i].push(line(prefix, known, known.from === i ? 'itself' : address(known.from)))
      })
    }
    const want = expected.map(list => list.toSorted().join('\n'))
    const have = () => this.#sides.map(({ running }) => (running ? table(running) : ''))
    const inSync = () => this.#areUp() && have().every((text, i) => text === want[i])
    if (!this.#net.runUntil(inSync, PATIENCE)) {
      const peers = this.#sides.flatMap(({ running }) => running?.engine.status() ?? [])
      const states = peers.map(({ state, lastError }) => `${state}: ${lastError}`)
      return [...have().map((got, i) => `${address(i)} has\n${got}\nand should have\n${want[i]}`), ...states].join('\n')
    }
    for (const { running } of this.#sides) if (running) this.#collect(running)
    return this.#faults[0]
  }

  #areUp(): boolean {
    return this.#sides.every(({ running }) => running?.engine.status().every(({ state }) => state === 'Established'))
  }

  /** Keeps what must never be reported. */
  #collect({ reports }: SimulatedSpeaker): void {
    for (const { text } of reports) if (text.includes('internal error')) this.#faults.push(text)
    reports.length = 0
  }
}

function table(speaker: SimulatedSpeaker): string {
  return speaker
    .table('ipv4-unicast')
    .map(({ prefix, peer, nextHop, asPath, med, communities }) => {
      const path = asPath === '' ? [] : asPath.split(' ').map(Number)
      const known = { from: 0, path, med, communities: communities.toSorted() }
      return line(prefix, known, peer === 'local' ? 'itself' : nextHop)
    })
    .toSorted()
    .join('\n')
}

/** Walks; says what went wrong, or undefined. */
export function walk(options: WalkOptions): string | undefined {
  return new Walk(options).run()
}
