// Our speaker in a host of the lan, as the cells of the matrix drive it.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SimpleConfig } from '../../../bgp/simple-config.ts'
import type { ConfigIssue, Origination, PathView, PeerStatus } from '../../../bgp/types.ts'
import type { Call, State } from '../../kit/bgp-child.ts'
import type { Host } from './lan.ts'

const child = fileURLToPath(new URL('../../kit/bgp-child.ts', import.meta.url))

export class Ours {
  readonly #process: ChildProcess
  #last: Promise<unknown> = Promise.resolve()

  private constructor(process_: ChildProcess) {
    this.#process = process_
  }

  static async start(host: Host, config: SimpleConfig): Promise<Ours> {
    const execArgv = ['netns', 'exec', host.netns, process.execPath, '--disable-warning=ExperimentalWarning']
    const ours = new Ours(fork(child, { execPath: 'ip', execArgv, serialization: 'advanced' }))
    await ours.#call({ call: 'start', config, sockets: true })
    return ours
  }

  async configure(config: SimpleConfig): Promise<void> {
    const issues = (await this.#call({ call: 'configure', config })) as readonly ConfigIssue[]
    if (issues.length > 0) throw new Error(JSON.stringify(issues))
  }

  /** The whole list of our routes, in the place of the one before. */
  async originate(list: readonly Origination[]): Promise<void> {
    await this.#call({ call: 'announce', list })
  }

  /** After a restart: our routes are all there. */
  async complete(): Promise<void> {
    await this.#call({ call: 'complete' })
  }

  async peer(name: string): Promise<PeerStatus> {
    const { peers } = await this.state()
    return peers.find(peer => peer.name === name)!
  }

  /** The best path of each prefix, our own routes left out. */
  async routes(): Promise<readonly PathView[]> {
    const { best } = await this.state()
    return best.filter(row => row.peer !== 'local')
  }

  /** Reports so far. */
  async said(): Promise<readonly string[]> {
    return (await this.state()).reports
  }

  /** `cease`: for good, with words; `restart`: without a NOTIFICATION. */
  async stop(mode: 'cease' | 'restart'): Promise<void> {
    await this.#call({ call: 'stop', mode })
  }

  async kill(): Promise<void> {
    const ended = new Promise(resolve => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await ended
  }

  async state(): Promise<State> {
    return (await this.#call({ call: 'state' })) as State
  }

  /** One after another. */
  #call(message: Call): Promise<unknown> {
    const ask = () =>
      new Promise((resolve, reject) => {
        this.#process.once('message', (answer: { result?: unknown; error?: string }) =>
          answer.error === undefined ? resolve(answer.result) : reject(new Error(answer.error)),
        )
        this.#process.send(message)
      })
    const answered = this.#last.then(ask, ask)
    this.#last = answered.catch(() => {})
    return answered
  }
}
