// A Docker engine in a network namespace: Debian's dockerd with folders, socket and cgroup of its own, and an image made on the spot.
// Its iptables rules, its bridge and its containers are in that namespace; nothing of a Docker engine of the machine is touched.

import { spawn, type ChildProcess } from 'node:child_process'
import { copyFileSync, globSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { eventually, execute } from '../kit/lab.ts'

const image = 'margay-test:1'
const busybox = '/bin/busybox'

export class Docker {
  readonly #netns: string
  readonly #name: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'margay-docker-'))
  #child: ChildProcess | undefined

  private constructor(netns: string) {
    this.#netns = netns
    this.#name = `margay-${netns}`
  }

  /** Runs until the test ends. */
  static async start(t: Test, netns: string): Promise<Docker> {
    const docker = new Docker(netns)
    t.teardown(() => docker.#remove())
    await docker.start()
    await docker.#makeImage()
    return docker
  }

  async start(): Promise<void> {
    const at = (name: string): string => join(this.#folder, name)
    const log = openSync(at('log'), 'a')
    // It ends with this process, however that ends; what it mounts is its own.
    const argv = `--pdeathsig TERM nsenter --net=/run/netns/${this.#netns} unshare --mount --propagation slave dockerd`
    const folders = `--data-root ${at('data')} --exec-root ${at('exec')} --pidfile ${at('pid')} --host unix://${at('sock')}`
    const options = `--storage-driver vfs --cgroup-parent /${this.#name}`
    const child = spawn('setpriv', `${argv} ${folders} ${options}`.split(' '), { stdio: ['ignore', log, log] })
    this.#child = child
    await eventually(
      'dockerd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended:\n${readFileSync(at('log'), 'utf8').slice(-2000)}`)
        return (await this.ask('GET', '/_ping').catch(() => undefined)) !== undefined
      },
      120,
    )
  }

  /** As `systemctl stop docker`: its containers end, its rules and its bridge stay. */
  async stop(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  /** A container whose page `text` is served at a port of the node. */
  async serve(name: string, port: number, text: string): Promise<void> {
    const command = `echo ${text} >/index.html; exec ${busybox} httpd -f -p 80`
    await this.ask('POST', `/containers/create?name=${name}`, {
      Image: image,
      Cmd: [busybox, 'sh', '-c', command],
      StopSignal: 'SIGKILL',
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { PortBindings: { '80/tcp': [{ HostPort: String(port) }] } },
    })
    await this.startContainer(name)
  }

  async startContainer(name: string): Promise<void> {
    await this.ask('POST', `/containers/${name}/start`)
  }

  /** https://docs.docker.com/engine/api/v1.41/ */
  ask(method: string, path: string, body?: object | Buffer): Promise<string> {
    const content = body instanceof Buffer ? body : body && Buffer.from(JSON.stringify(body))
    const type = body instanceof Buffer ? 'application/x-tar' : 'application/json'
    return new Promise((resolve, reject) => {
      const call = request(
        {
          socketPath: join(this.#folder, 'sock'),
          method,
          path: `/v1.41${path}`,
          headers: content ? { 'content-type': type, 'content-length': content.length } : {},
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
      call.end(content)
    })
  }

  async #makeImage(): Promise<void> {
    const root = join(this.#folder, 'root')
    mkdirSync(join(root, 'bin'), { recursive: true })
    copyFileSync(busybox, join(root, busybox))
    const tar = join(this.#folder, 'root.tar')
    const made = await execute(['tar', '-C', root, '-cf', tar, '.'])
    if (made.code !== 0) throw new Error(made.stderr)
    const [name, tag] = image.split(':')
    await this.ask('POST', `/images/create?fromSrc=-&repo=${name}&tag=${tag}`, readFileSync(tar))
  }

  async #remove(): Promise<void> {
    await this.stop()
    for (const group of globSync([`/sys/fs/cgroup/${this.#name}`, `/sys/fs/cgroup/*/${this.#name}`])) rmdirSync(group)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
