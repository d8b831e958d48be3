// A Docker engine for a test: Debian's dockerd in a network namespace, with folders, socket and cgroup of its own. Its iptables rules, its
// bridges and its containers are in that namespace; nothing of a Docker engine of the machine is touched.

import { spawn, type ChildProcess } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import type { Test } from 'tap'
import { netnsPath } from '../../src/lab/processes.ts'
import { request } from '../../src/api/http.ts'
import { eventually } from './lab.ts'

/** Where the engine's network is: a named namespace, or one that ends with the engine; the latter keeps its images in memory. */
export type Place = { readonly netns: string } | 'its own'

/** What a program for `place` is started by; `$1` is the folder of images and containers. What is mounted there is the program's own. */
function entered(place: Place, data: string): readonly string[] {
  const mounts = ['--mount', '--propagation', 'slave']
  // Layers as overlays, which cannot stand on another, as a machine's own files may.
  const raise = 'ip link set lo up && mount -t tmpfs none "$1" && shift && exec "$@"'
  return place === 'its own'
    ? ['unshare', '--net', ...mounts, 'sh', '-c', raise, 'sh', data]
    : ['nsenter', `--net=${netnsPath(place.netns)}`, 'unshare', ...mounts]
}

export class Dockerd {
  readonly #place: Place
  readonly #folder = mkdtempSync(join(tmpdir(), 'margay-docker-'))
  #child: ChildProcess | undefined

  private constructor(place: Place) {
    this.#place = place
  }

  /** Runs until the test ends. */
  static async start(t: Test, place: Place): Promise<Dockerd> {
    const dockerd = new Dockerd(place)
    t.teardown(() => dockerd.#remove())
    for (const event of ['SIGINT', 'SIGTERM'] as const)
      process.once(event, () => void dockerd.#remove().then(() => process.exit(1)))
    await dockerd.start()
    return dockerd
  }

  /** Holds what is the engine's, and may hold what is its user's. */
  get folder(): string {
    return this.#folder
  }

  get socket(): string {
    return join(this.#folder, 'sock')
  }

  /** The end of what it said. */
  get #log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2000)
  }

  get #cgroup(): string {
    return basename(this.#folder)
  }

  async start(): Promise<void> {
    const [data, exec, pid] = ['data', 'exec', 'pid'].map(name => join(this.#folder, name))
    mkdirSync(data, { recursive: true })
    const output = openSync(join(this.#folder, 'log'), 'a')
    const folders = ['--data-root', data, '--exec-root', exec, '--pidfile', pid, '--host', `unix://${this.socket}`]
    const storage = this.#place === 'its own' ? 'overlay2' : 'vfs'
    const options = ['--storage-driver', storage, '--cgroup-parent', `/${this.#cgroup}`]
    const argv = [...entered(this.#place, data), 'dockerd', ...folders, ...options]
    // It ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...argv], { stdio: ['ignore', output, output] })
    this.#child = child
    await eventually(
      'dockerd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended:\n${this.#log}`)
        return (await this.ask('GET', '/_ping').catch(() => undefined)) !== undefined
      },
      120,
    )
  }

  /** As `systemctl stop docker`: its containers end, its rules and its bridges stay. */
  async stop(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  /** An image of the files of a tar, and of instructions as those of a Dockerfile. */
  async importImage(name: string, tar: Readable, changes: readonly string[] = []): Promise<void> {
    const [repo, tag = 'latest'] = name.split(':')
    const query = new URLSearchParams({ fromSrc: '-', repo, tag })
    for (const change of changes) query.append('changes', change)
    const answer = await this.ask('POST', `/images/create?${query.toString()}`, tar).catch((error: unknown) => {
      throw new Error(`image ${name}: ${String(error)}\n${this.#log}`)
    })
    // What fails once the answer has begun is said in it.
    if (answer.includes('"error"')) throw new Error(`image ${name}: ${answer}`)
  }

  async tagImage(name: string, other: string): Promise<void> {
    const [repo, tag = 'latest'] = other.split(':')
    await this.ask('POST', `/images/${name}/tag?repo=${repo}&tag=${tag}`)
  }

  /** https://docs.docker.com/engine/api/v1.41/ */
  ask(method: string, path: string, body?: object | Readable): Promise<string> {
    const content = body && !(body instanceof Readable) ? JSON.stringify(body) : ''
    const type = body instanceof Readable ? 'application/x-tar' : 'application/json'
    return new Promise((resolve, reject) => {
      const call = request(
        {
          socketPath: this.socket,
          method,
          path: `/v1.41${path}`,
          headers: body ? { 'content-type': type } : {},
        },
        answer => {
          let text = ''
          answer.on('data', data => (text += String(data)))
          answer.on('end', () =>
            (answer.statusCode ?? 500) < 400 ? resolve(text) : reject(new Error(`${method} ${path}: ${text}`)),
          )
        },
      )
      call.on('error', reject)
      if (body instanceof Readable) body.on('error', reject).pipe(call)
      else call.end(content)
    })
  }

  async #remove(): Promise<void> {
    await this.stop()
    for (const group of globSync([`/sys/fs/cgroup/${this.#cgroup}`, `/sys/fs/cgroup/*/${this.#cgroup}`]))
      rmdirSync(group)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
