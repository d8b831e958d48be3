// The part of a container runtime that matters to a CNI plugin: executes it, keeps what it answered, and can say later what is
// attached. Source: CNI specification 1.1.0, "Execution protocol" and "Result types"; libcni's cache.
//
// An attachment is recorded before ADD, so that a runtime that dies in between still knows what to DEL.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, RunError } from './run.ts'

export interface CniResult {
  readonly cniVersion: string
  readonly interfaces?: readonly {
    readonly name: string
    readonly mac?: string
    readonly mtu?: number
    readonly sandbox?: string
  }[]
  readonly ips?: readonly { readonly address: string; readonly gateway?: string; readonly interface?: number }[]
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[]
}

export interface Attachment {
  /** The runtime's own name for the container. */
  readonly container: string
  readonly containerId: string
  readonly netns: string
  readonly ifName: string
  /** Absent: ADD has not answered. */
  readonly result?: CniResult
}

/** The plugin refused: its own code and words. */
export class CniError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.name = 'CniError'
    this.code = code
  }
}

export interface RunnerOptions {
  /** The plugin, absolute path. */
  readonly plugin: string
  /** Network configuration for the plugin's standard input: `cniVersion`, `name`, `type` and the plugin's own keys. */
  readonly conf: Readonly<Record<string, unknown>> & { readonly cniVersion: string; readonly name: string }
  readonly cacheDir: string
}

export class CniRunner {
  readonly #options: RunnerOptions

  constructor(options: RunnerOptions) {
    this.#options = options
    mkdirSync(options.cacheDir, { recursive: true })
  }

  /** Rejects with `CniError` if the plugin refuses. */
  async add(
    container: string,
    netns: string,
    ifName = 'eth0',
    containerId = randomBytes(32).toString('hex'),
  ): Promise<CniResult> {
    const attachment: Attachment = { container, containerId, netns, ifName }
    this.#keep(attachment)
    const result = JSON.parse(await this.#execute('ADD', attachment)) as CniResult
    this.#keep({ ...attachment, result })
    return result
  }

  /** Forgets the attachment once the plugin has said yes. A container that was never attached is no error. */
  async del(container: string): Promise<void> {
    const attachment = this.get(container)
    if (!attachment) return
    await this.#execute('DEL', attachment)
    rmSync(this.#file(container), { force: true })
  }

  async check(container: string): Promise<void> {
    const attachment = this.get(container)
    if (!attachment) throw new CniError(3, `there is no container ${container}`)
    await this.#execute('CHECK', attachment)
  }

  get(container: string): Attachment | undefined {
    return CniRunner.recorded(this.#options.cacheDir, container)
  }

  /** What is recorded of a container in a cache. */
  static recorded(cacheDir: string, container: string): Attachment | undefined {
    try {
      return JSON.parse(readFileSync(join(cacheDir, `${container}.json`), 'utf8')) as Attachment
    } catch {
      return undefined
    }
  }

  /** What this runtime believes to be attached, or half attached. */
  list(): readonly Attachment[] {
    return readdirSync(this.#options.cacheDir).flatMap(name => this.get(name.replace(/\.json$/, '')) ?? [])
  }

  #file(container: string): string {
    return join(this.#options.cacheDir, `${container}.json`)
  }

  #keep(attachment: Attachment): void {
    writeFileSync(this.#file(attachment.container), `${JSON.stringify(attachment)}\n`)
  }

  async #execute(command: 'ADD' | 'DEL' | 'CHECK', attachment: Attachment): Promise<string> {
    const { plugin, conf } = this.#options
    const prevResult = command === 'ADD' ? undefined : attachment.result
    try {
      return await run([plugin], {
        input: JSON.stringify(prevResult ? { ...conf, prevResult } : conf),
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: attachment.containerId,
          CNI_NETNS: attachment.netns,
          CNI_IFNAME: attachment.ifName,
          CNI_PATH: plugin.slice(0, plugin.lastIndexOf('/')),
          CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=lab;K8S_POD_NAME=${attachment.container}`,
        },
      })
    } catch (error) {
      throw error instanceof RunError ? refusalIn(error, command, attachment.container) : error
    }
  }
}

/** The plugin's error result on its standard output, or whatever else it said. */
function refusalIn(error: RunError, command: string, container: string): CniError {
  const said = `CNI ${command} of ${container} failed`
  try {
    const { code, msg, details } = JSON.parse(error.stdout) as { code: number; msg: string; details?: string }
    return new CniError(code, `${said}: ${msg}${details ? `: ${details}` : ''}`)
  } catch {
    return new CniError(999, `${said} without an answer: ${error.stderr.trim() || `exit code ${error.code}`}`)
  }
}
