// A real etcd for a test: one member or several on loopback, in a folder that goes with the test.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import type { EtcdSettings } from './settings.ts'

const program = '/usr/bin/etcd'

export interface TestTls {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface TestEtcdOptions {
  readonly members?: number
  /** Clients have to show a certificate of `ca`. */
  readonly tls?: TestTls
  readonly args?: readonly string[]
  /** The first member's clock that counts from the machine's start is so many seconds ahead. */
  readonly firstAhead?: number
  /** Not on loopback but in this network namespace, at its address. */
  readonly at?: { readonly netns: string; readonly address: string }
}

export class TestEtcd {
  readonly members: readonly Member[]
  readonly #tls: TestTls | undefined
  /** What puts a command in front of it where the members are. */
  readonly #within: readonly string[]

  private constructor(members: readonly Member[], tls: TestTls | undefined, within: readonly string[]) {
    this.members = members
    this.#tls = tls
    this.#within = within
  }

  /** Runs when it resolves, until the test ends. */
  static async start(t: Test, options: TestEtcdOptions = {}): Promise<TestEtcd> {
    if (!existsSync(program)) throw new Error(`${program} is not installed: run npm run setup -- --tests`)
    const dir = mkdtempSync(join(tmpdir(), 'margay-etcd-'))
    const count = options.members ?? 1
    const ports = await freePorts(count * 2)
    const names = Array.from({ length: count }, (_, i) => `m${i}`)
    const { tls, at, firstAhead } = options
    const ahead = ['unshare', '--time', '--monotonic', `${firstAhead}`, '--boottime', `${firstAhead}`, '--']
    const address = at?.address ?? '127.0.0.1'
    const within = at ? ['nsenter', `--net=/run/netns/${at.netns}`, '--'] : []
    const peerUrl = (i: number) => `http://${address}:${ports[count + i]}`
    const scheme = tls ? 'https' : 'http'
    const members = names.map((name, i) => {
      const client = `${scheme}://${address}:${ports[i]}`
      const flags = {
        name,
        'data-dir': join(dir, name),
        'listen-client-urls': client,
        'advertise-client-urls': client,
        'listen-peer-urls': peerUrl(i),
        'initial-advertise-peer-urls': peerUrl(i),
        'initial-cluster': names.map((each, j) => `${each}=${peerUrl(j)}`).join(','),
        'initial-cluster-token': dir,
        ...(tls && { 'trusted-ca-file': tls.ca, 'cert-file': tls.cert, 'key-file': tls.key }),
      }
      const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
      if (tls) args.push('--client-cert-auth')
      return new Member(client, join(dir, `${name}.log`), [
        ...within,
        ...(firstAhead !== undefined && i === 0 ? ahead : []),
        program,
        ...args,
        ...(options.args ?? []),
      ])
    })
    const etcd = new TestEtcd(members, tls, within)
    const remove = async (): Promise<void> => {
      await Promise.all(members.map(member => member.kill()))
      rmSync(dir, { recursive: true, force: true })
    }
    t.teardown(remove)
    for (const member of members) member.start()
    await etcd.healthy()
    return etcd
  }

  get endpoints(): readonly string[] {
    return this.members.map(member => member.endpoint)
  }

  settings(more: Partial<EtcdSettings> = {}): EtcdSettings {
    return {
      endpoints: this.endpoints,
      prefix: '/margay',
      pageSize: 500,
      timeout: 10_000,
      tls: this.#tls && { ca: this.#tls.ca, cert: this.#tls.cert, key: this.#tls.key },
      ...more,
    }
  }

  /** Until all members that run answer with a quorum. */
  async healthy(): Promise<void> {
    for (const member of this.members.filter(each => each.isRunning))
      for (let tries = 0; ; tries++) {
        try {
          await this.ctlAt(member, 'endpoint', 'health')
          break
        } catch (error) {
          if (tries > 300) throw new Error(`etcd is not healthy: ${String(error)}\n${member.log}`, { cause: error })
          await sleep(100)
        }
      }
  }

  /** `etcdctl` at the first member that runs; its output. */
  ctl(...args: string[]): Promise<string> {
    const member = this.members.find(each => each.isRunning)
    if (!member) throw new Error('no member runs')
    return this.ctlAt(member, ...args)
  }

  async ctlAt(member: Member, ...args: string[]): Promise<string> {
    const tls = this.#tls ? ['--cacert', this.#tls.ca, '--cert', this.#tls.cert, '--key', this.#tls.key] : []
    const [command, ...rest] = [...this.#within, 'etcdctl', '--endpoints', member.endpoint, ...tls, ...args]
    const { stdout } = await promisify(execFile)(command, rest, { env: { ...process.env, ETCDCTL_API: '3' } })
    return stdout
  }

  /** Whoever leads now. */
  async leader(): Promise<Member> {
    for (const member of this.members.filter(each => each.isRunning)) {
      const [{ Status }] = JSON.parse(await this.ctlAt(member, 'endpoint', 'status', '-w', 'json')) as [
        { Status: { header: { member_id: number }; leader: number } },
      ]
      if (Status.leader === Status.header.member_id) return member
    }
    throw new Error('there is no leader')
  }
}

export class Member {
  readonly endpoint: string
  readonly #log: string
  readonly #argv: readonly string[]
  #child: ChildProcess | undefined

  constructor(endpoint: string, log: string, argv: readonly string[]) {
    this.endpoint = endpoint
    this.#log = log
    this.#argv = argv
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  /** What it has said last. */
  get log(): string {
    return readFileSync(this.#log, 'utf8').split('\n').slice(-20).join('\n')
  }

  start(): void {
    const [command, ...args] = this.#argv
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(this.#log, { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    this.#child = child
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** `kill -9`, and gone when it resolves. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    const ended = new Promise(resolve => child.on('exit', resolve))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await ended
    }
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer()
          server.on('error', reject)
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
