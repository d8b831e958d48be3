// Our speaker in a host of the lan: the executable, driven by its file, its control socket and the lines it prints.

import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { FileConfig, FilePeer } from '../../../bgp/cli/fields.ts'
import { Executable } from '../../../bgp/cli/test-executable.ts'
import type { Origination, PathView, PeerCounters, PeerStatus } from '../../../bgp/types.ts'
import type { Host } from './lan.ts'

const sockets = fileURLToPath(new URL('../../../netlink/socket.ts', import.meta.url))

export type OurConfig = Omit<FileConfig, 'announce'>
export type OurPeer = FilePeer

export class Ours {
  readonly #executable: Executable
  #config: OurConfig
  #routes: readonly Origination[]

  private constructor(executable: Executable, config: OurConfig, routes: readonly Origination[]) {
    this.#executable = executable
    this.#config = config
    this.#routes = routes
  }

  /** `--restart`: it comes up after a restart. */
  static async start(
    t: Test,
    host: Host,
    config: OurConfig,
    routes: readonly Origination[],
    ...options: readonly '--restart'[]
  ): Promise<Ours> {
    const executable = new Executable(t, ['ip', 'netns', 'exec', host.netns])
    const ours = new Ours(executable, config, routes)
    await ours.#write().run('--sockets', sockets, ...options)
    if (!executable.has('started')) throw new Error(`it does not start: ${executable.words}`)
    return ours
  }

  async configure(config: OurConfig): Promise<void> {
    this.#config = config
    await this.#write().post('/reload')
  }

  /** The whole list of our routes, in the place of the one before. */
  async originate(routes: readonly Origination[]): Promise<void> {
    this.#routes = routes
    await this.#write().post('/reload')
  }

  peers(): Promise<readonly PeerStatus[]> {
    return this.#executable.get<PeerStatus[]>('/peers')
  }

  async peer(name: string): Promise<PeerStatus> {
    return (await this.#executable.get<PeerStatus[]>(`/peers?peer=${name}`))[0]
  }

  async counters(name: string): Promise<PeerCounters> {
    return (await this.#executable.get<PeerCounters[]>(`/counters?peer=${name}`))[0]
  }

  /** The best path of each prefix, our own routes left out. */
  async routes(): Promise<readonly PathView[]> {
    const rows = await this.#executable.get<PathView[]>('/routes')
    return rows.filter(row => row.peer !== 'local')
  }

  /** Every path that the peer has sent. */
  received(peer: string): Promise<readonly PathView[]> {
    return this.#executable.get<PathView[]>(`/routes?table=in&peer=${peer}`)
  }

  /** Reports so far. */
  said(): readonly string[] {
    return this.#executable.lines.flatMap(({ text }) => (typeof text === 'string' ? [text] : []))
  }

  /** Ends the session for good, with words for the peer (RFC 9003). */
  async disable(peer: string, words: string): Promise<void> {
    await this.#executable.post('/disable', { peer, words })
  }

  /** Asks the peer for all of its routes again (RFC 2918). */
  async refresh(peer: string): Promise<void> {
    await this.#executable.post('/refresh', { peer, direction: 'in' })
  }

  async kill(): Promise<void> {
    this.#executable.signal('SIGKILL')
    await this.#executable.exit()
  }

  #write(): Executable {
    return this.#executable.write({ ...this.#config, announce: this.#routes })
  }
}
