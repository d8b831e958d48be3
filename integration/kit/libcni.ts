// The part of libcni (github.com/containernetworking/cni, libcni/api.go) that runtimes lean on, small: a chain of plugins, each
// given the result of the one before; results kept in files, from which later calls take `prevResult` and GC what is attached.
//
// Unlike libcni it can also kill a plugin amid a call. It judges nothing: tests do.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CniResult as LabResult } from '../../src/lab/cni-runner.ts'
import { netnsPath } from '../../src/lab/processes.ts'

export type Json = Readonly<Record<string, unknown>>

/** What a plugin left behind. `exitCode` is null when it was killed. */
export interface PluginAnswer {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface PluginCall {
  /** Path of the executable. */
  readonly plugin: string
  /** The namespace that it runs in, by name: the node's. */
  readonly node: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: string
  /** SIGKILL after so many milliseconds. */
  readonly killAfter?: number
}

export async function callPlugin({ plugin, node, env, stdin, killAfter }: PluginCall): Promise<PluginAnswer> {
  const given = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  // The environment reaches the plugin alone: nsenter becomes it.
  const child = spawn('nsenter', [`--net=${netnsPath(node)}`, '--', plugin], {
    env: { PATH: process.env.PATH, ...Object.fromEntries(given) },
  })
  const out: string[] = []
  const err: string[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()))
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  if (killAfter !== undefined) void sleep(killAfter).then(() => child.kill('SIGKILL'))
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { exitCode, stdout: out.join(''), stderr: err.join('') }
}

/** Of any version of the specification. */
export interface CniResult extends Omit<LabResult, 'ips'> {
  readonly ips?: readonly (Required<LabResult>['ips'][number] & { readonly version?: string })[]
  readonly dns?: Json
  /** Before 0.3.0. */
  readonly ip4?: { readonly ip: string; readonly routes?: readonly Json[] }
  readonly ip6?: { readonly ip: string; readonly routes?: readonly Json[] }
}

/** A plugin said no, or nothing that can be read. */
export class PluginError extends Error {
  readonly code: number
  readonly details: string | undefined
  constructor(who: string, { exitCode, stdout, stderr }: PluginAnswer) {
    let said: { code?: number; msg?: string; details?: string } = {}
    try {
      said = JSON.parse(stdout) as typeof said
    } catch {
      // killed, or no plugin
    }
    super(`${who}: ${said.msg ?? `exit code ${exitCode}, ${stderr || stdout || 'no word'}`}`)
    this.code = said.code ?? -1
    this.details = said.details
  }
}

export interface Conflist {
  readonly cniVersion: string
  readonly name: string
  /** CHECK is not called. */
  readonly disableCheck?: boolean
  readonly plugins: readonly (Json & { readonly type: string })[]
}

/** One interface of one container, as a runtime names it. */
export interface Attachment {
  readonly containerId: string
  /** Path. */
  readonly netns?: string
  readonly ifName?: string
  readonly args?: Readonly<Record<string, string>>
  /** Handed to plugins that declare the capability, as `runtimeConfig`. */
  readonly capabilityArgs?: Json
  readonly killAfter?: number
}

export interface NetworkOptions {
  readonly conflist: Conflist
  /** Where plugins are looked for, in this order. */
  readonly path: readonly string[]
  readonly cacheDir: string
  /** The node's namespace, by name. */
  readonly node: string
}

type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'

export class CniNetwork {
  readonly #options: NetworkOptions

  constructor(options: NetworkOptions) {
    this.#options = options
    mkdirSync(options.cacheDir, { recursive: true })
  }

  /** The chain's last result. Rejects with `PluginError`; the runtime is to call `del` then. */
  async add(attachment: Attachment): Promise<CniResult> {
    let result: Json | undefined
    for (const plugin of this.#options.conflist.plugins)
      result = JSON.parse(await this.#run('ADD', plugin, attachment, result)) as Json
    this.#keep(attachment, result ?? {})
    return result as unknown as CniResult
  }

  /** The chain from its end; goes on without `prevResult` where the kept result cannot be read. */
  async del(attachment: Attachment): Promise<void> {
    const result = this.#atLeast('0.4.0') ? this.result(attachment) : undefined
    for (const plugin of this.#options.conflist.plugins.toReversed()) await this.#run('DEL', plugin, attachment, result)
    rmSync(this.fileOf(attachment), { force: true })
  }

  async check(attachment: Attachment): Promise<void> {
    if (this.#options.conflist.disableCheck) return
    const result = this.result(attachment)
    for (const plugin of this.#options.conflist.plugins) await this.#run('CHECK', plugin, attachment, result)
  }

  /** DELs what is kept and not in `valid`, then tells every plugin; all errors at once. */
  async gc(valid: readonly Attachment[]): Promise<void> {
    const names = new Set(valid.map(each => this.fileOf(each)))
    const errors: unknown[] = []
    for (const stale of this.kept().filter(each => !names.has(this.fileOf(each))))
      await this.del(stale).catch((error: unknown) => errors.push(error))
    const list = valid.map(({ containerId, ifName = 'eth0' }) => ({ containerID: containerId, ifname: ifName }))
    const keys = { 'cni.dev/attachments': list, 'cni.dev/valid-attachments': list }
    for (const plugin of this.#options.conflist.plugins)
      await this.#run('GC', { ...plugin, ...keys }).catch((error: unknown) => errors.push(error))
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join('; '))
  }

  async status(): Promise<void> {
    for (const plugin of this.#options.conflist.plugins) await this.#run('STATUS', plugin)
  }

  /** What libcni keeps in /var/lib/cni/results. */
  fileOf({ containerId, ifName = 'eth0' }: Attachment): string {
    return join(this.#options.cacheDir, `${this.#options.conflist.name}-${containerId}-${ifName}`)
  }

  result(attachment: Attachment): Json | undefined {
    try {
      return (JSON.parse(readFileSync(this.fileOf(attachment), 'utf8')) as { result?: Json }).result
    } catch {
      return undefined
    }
  }

  kept(): readonly Attachment[] {
    const { cacheDir, conflist } = this.#options
    return readdirSync(cacheDir)
      .filter(name => name.startsWith(`${conflist.name}-`))
      .map(name => {
        const kept = JSON.parse(readFileSync(join(cacheDir, name), 'utf8')) as Json
        return { containerId: String(kept.containerId), ifName: String(kept.ifName), netns: String(kept.netns) }
      })
  }

  #keep({ containerId, netns, ifName = 'eth0', args, capabilityArgs }: Attachment, result: Json): void {
    const { conflist } = this.#options
    const config = Buffer.from(JSON.stringify(conflist)).toString('base64')
    const cniArgs = Object.entries(args ?? {})
    const entry = { kind: 'cniCacheV1', containerId, config, ifName, networkName: conflist.name, netns, cniArgs }
    writeFileSync(this.fileOf({ containerId, ifName }), JSON.stringify({ ...entry, capabilityArgs, result }))
  }

  async #run(
    command: Command,
    plugin: Json & { readonly type: string },
    attachment?: Attachment,
    prevResult?: Json,
  ): Promise<string> {
    const { conflist, path, node } = this.#options
    const { name, cniVersion } = conflist
    const executable = path.map(dir => join(dir, plugin.type)).find(existsSync)
    if (executable === undefined) throw new Error(`no plugin ${plugin.type} in ${path.join(', ')}`)
    const answer = await callPlugin({
      plugin: executable,
      node,
      env: { ...(attachment && environmentOf(attachment)), CNI_COMMAND: command, CNI_PATH: path.join(':') },
      stdin: JSON.stringify({ ...plugin, ...runtimeConfig(plugin, attachment), name, cniVersion, prevResult }),
      killAfter: attachment?.killAfter,
    })
    if (answer.exitCode !== 0) throw new PluginError(`${plugin.type} ${command}`, answer)
    return answer.stdout
  }

  #atLeast(version: string): boolean {
    const order = (text: string): number => text.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0)
    return order(this.#options.conflist.cniVersion) >= order(version)
  }
}

/** The variables of a call about one interface. */
export function environmentOf({ containerId, netns, ifName = 'eth0', args }: Attachment): Record<string, string> {
  const pairs = Object.entries(args ?? {}).map(([key, value]) => `${key}=${value}`)
  return {
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: ifName,
    ...(netns !== undefined && { CNI_NETNS: netns }),
    ...(pairs.length > 0 && { CNI_ARGS: ['IgnoreUnknown=1', ...pairs].join(';') }),
  }
}

/** Of the runtime's arguments, those whose capability the plugin declares. */
function runtimeConfig({ capabilities }: Json, attachment?: Attachment): Json {
  const declared = (capabilities ?? {}) as Json
  const given = Object.entries(attachment?.capabilityArgs ?? {}).filter(([name]) => declared[name] === true)
  return given.length > 0 ? { runtimeConfig: Object.fromEntries(given) } : {}
}
