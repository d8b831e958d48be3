// A speaker that follows a configuration file: reads it anew when asked, and keeps what the operator announced besides.

import { checkOrigination } from '../core/check-origination.ts'
import { dirname } from 'node:path'
import { BmpStation, type StationOptions } from '../bmp/index.ts'
import { ConfigError, issueText, Speaker } from '../speaker.ts'
import type { Discovery, Transport } from '../transport/transport.ts'
import type { ConfigIssue, Family, Origination, SpeakerConfig } from '../types.ts'
import { FileError, readConfig, type RouterConfig } from './config-file.ts'
import type { EventRecord } from './events.ts'
import { MrtFiles } from './mrt-files.ts'

export interface RouterOptions {
  readonly transport?: Transport
  readonly discovery?: Discovery
  /** It comes up after a restart: peers with graceful restart have kept its routes. */
  readonly restarting?: boolean
  readonly warmUp?: boolean
  readonly emit: (record: EventRecord) => void
}

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast']

export class Router {
  readonly speaker: Speaker
  readonly mrt: MrtFiles
  readonly #path: string
  readonly #emit: (record: EventRecord) => void
  readonly #restarting: boolean
  /** All routes of our own: those of the file, and those that the operator announced. */
  readonly #own = new Map<string, Origination>()
  readonly #stations = new Map<string, BmpStation>()
  #config: RouterConfig
  #deadline: NodeJS.Timeout | undefined

  /** Throws a FileError if the file is wrong. */
  constructor(path: string, { transport, discovery, restarting = false, warmUp, emit }: RouterOptions) {
    this.#path = path
    this.#emit = emit
    this.#config = readConfig(path)
    this.#restarting = restarting && this.#config.speaker.gracefulRestart !== undefined
    this.speaker = new Speaker(this.#full(this.#config.speaker), { transport, discovery, warmUp })
    this.mrt = new MrtFiles({ speaker: this.speaker, folder: dirname(path), emit })
    for (const type of ['peer', 'incident'] as const) this.speaker.on(type, report => emit({ ...report }))
    for (const route of this.#config.announce) this.#own.set(route.prefix, route)
  }

  get config(): SpeakerConfig {
    return this.#config.speaker
  }

  get announced(): readonly Origination[] {
    return [...this.#own.values()]
  }

  /** Throws a FileError if the speaker does not take the file. */
  async start(): Promise<void> {
    this.speaker.originate(this.#own.values())
    try {
      await this.speaker.start()
    } catch (error) {
      throw error instanceof ConfigError ? new FileError(this.#path, error.issues.map(forFile)) : error
    }
    await this.mrt.set(this.#config.mrt)
    this.#monitor(this.#config.bmp)
    if (this.#restarting) this.#completeLater()
  }

  /** Reads the file again: what is equal is not touched. Throws a FileError, and then nothing has changed. */
  reload(): void {
    const next = readConfig(this.#path)
    const issues = this.speaker.configure(this.#full(next.speaker))
    if (issues.length > 0) throw new FileError(this.#path, issues.map(forFile))
    const before = this.#config
    this.#config = next
    for (const { prefix } of before.announce) this.#own.delete(prefix)
    for (const route of next.announce) this.#own.set(route.prefix, route)
    this.speaker.originate(this.#own.values())
    void this.mrt.set(next.mrt)
    this.#monitor(next.bmp)
    this.#emit({ type: 'configured', text: `${this.#path} is in force` })
  }

  /** Says what is wrong with the first route that is none, and then announces no route. */
  announce(routes: readonly Origination[]): string | undefined {
    const issue = routes.map(checkOrigination).find(one => one !== undefined)
    if (issue) return issueText(issue)
    for (const route of routes) this.#own.set(route.prefix, route)
    this.speaker.originate(this.#own.values())
    return undefined
  }

  /** Those that are not announced, and none is withdrawn then. */
  withdraw(prefixes: readonly string[]): readonly string[] {
    const unknown = prefixes.filter(prefix => !this.#own.has(prefix))
    if (unknown.length > 0) return unknown
    for (const prefix of prefixes) this.#own.delete(prefix)
    this.speaker.originate(this.#own.values())
    return []
  }

  async stop(mode: 'cease' | 'restart', words?: string): Promise<void> {
    clearTimeout(this.#deadline)
    await this.speaker.stop(mode, words)
    this.#monitor([])
    await this.mrt.stop()
    this.#emit({ type: 'stopped', mode, text: 'the router has stopped' })
  }

  /** Changes of the best routes, until the router stops; `drained` is awaited between them. */
  async emitRoutes(drained: () => Promise<void>): Promise<void> {
    await Promise.all(
      families.map(async family => {
        for await (const change of this.speaker.best(family)) {
          this.#emit({ type: 'route', family, ...change })
          await drained()
        }
      }),
    )
  }

  /** Stations that are as they were go on. */
  #monitor(wanted: readonly StationOptions[]): void {
    const keys = new Set(wanted.map(station => JSON.stringify(station)))
    for (const [key, station] of this.#stations) {
      if (keys.has(key)) continue
      station.stop()
      this.#stations.delete(key)
    }
    const report = (text: string) => this.#emit({ type: 'bmp', text })
    for (const station of wanted) {
      const key = JSON.stringify(station)
      if (!this.#stations.has(key)) this.#stations.set(key, new BmpStation(this.speaker, station, { report }))
    }
  }

  #full(config: SpeakerConfig): SpeakerConfig {
    const { gracefulRestart } = config
    return gracefulRestart
      ? { ...config, gracefulRestart: { ...gracefulRestart, restarting: this.#restarting } }
      : config
  }

  /** RFC 4724 §4.1: End-of-RIB goes out when every peer has told its routes, or after the restart time. */
  #completeLater(): void {
    const complete = () => {
      off()
      clearTimeout(this.#deadline)
      this.speaker.setComplete(true)
    }
    const off = this.speaker.on('turn', () => {
      const waits = this.speaker
        .status()
        .some(({ state, awaited, disabled }) => !disabled && (state !== 'Established' || awaited.length > 0))
      if (!waits) complete()
    })
    const seconds = this.#config.speaker.gracefulRestart?.restartTime ?? 0
    this.#deadline = setTimeout(complete, seconds * 1000)
  }
}

/** What the library says about transports, said to somebody who has no transport to give. */
function forFile(issue: ConfigIssue): ConfigIssue {
  if (!issue.fix.includes('netlink-ts')) return issue
  const [maker, option] = issue.field === 'interface' ? ['discovery()', '--discovery'] : ['sockets()', '--sockets']
  const fix = `install netlink-ts beside bgp-speaker (Linux), or name a module that has ${maker} by ${option}`
  return { ...issue, fix }
}
