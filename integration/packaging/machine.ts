// A Debian machine to install on: this one's files seen through an overlay, so that all that a package writes, and leaves, is in one
// folder; with namespaces of its own for mounts and network. It has no systemd: scripts/deb-smoke boots one.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Test } from 'tap'
import { type Ended, execute } from '../kit/lab.ts'

/** All of the environment there: nothing of this process's, which names folders of its own. */
const environment = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DEBIAN_FRONTEND=noninteractive']

/** $1 is an empty folder. The layer is in memory: an overlay cannot stand on another, and / may be one. */
const raise = `set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for each in proc sys dev; do mount --rbind /$each "$1/root/$each"; done
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
ip link set lo up
echo ready
exec sleep infinity
`

export class Machine {
  readonly #folder: string
  readonly #pid: number

  private constructor(folder: string, pid: number) {
    this.#folder = folder
    this.#pid = pid
  }

  /** Until the test ends, or this process does. */
  static async start(t: Test): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), 'margay-machine-'))
    const argv = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--net', 'sh', '-c', raise, 'sh', folder]
    const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    t.teardown(async () => {
      child.kill('SIGKILL')
      await closed
      rmdirSync(folder)
    })
    const [first] = (await Promise.race([once(child.stdout, 'data'), closed])) as [unknown]
    if (child.pid === undefined || String(first) !== 'ready\n')
      throw new Error('no overlay over / could be made: is there another on it?')
    return new Machine(folder, child.pid)
  }

  #inside(argv: readonly string[]): readonly string[] {
    const there = ['nsenter', '-t', String(this.#pid), '--mount', '--net', 'chroot', join(this.#folder, 'root')]
    return [...there, ...environment, ...argv]
  }

  tryExec(...argv: string[]): Promise<Ended> {
    return execute(this.#inside(argv))
  }

  /** Rejects unless it ends with 0. */
  async exec(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryExec(...argv)
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr || stdout}`)
    return stdout
  }

  /** A shell script. */
  script(text: string): Promise<string> {
    return this.exec('sh', '-ec', text)
  }

  /** A file of this tree, there; gives its place. */
  async copy(file: string): Promise<string> {
    const place = `/tmp/${basename(file)}`
    const argv = ['cp', resolve(file), join(this.#folder, 'root', place)]
    const { code, stderr } = await execute(['nsenter', '-t', String(this.#pid), '--mount', ...argv])
    if (code !== 0) throw new Error(stderr)
    return place
  }

  /** A program that runs until what it returns is called. */
  start(...argv: string[]): () => Promise<void> {
    const [command, ...args] = this.#inside(argv)
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { stdio: 'ignore' })
    const closed = once(child, 'close')
    return async () => {
      child.kill()
      await closed
    }
  }

  /** Files that differ from what they were, but for dpkg's own books. */
  async changed(): Promise<readonly string[]> {
    const upper = join(this.#folder, 'upper')
    const argv = [
      'nsenter',
      '-t',
      String(this.#pid),
      '--mount',
      'find',
      upper,
      '-not',
      '-type',
      'd',
      '-printf',
      '/%P\\n',
    ]
    const { stdout } = await execute(argv)
    const own = /^\/var\/(lib\/dpkg|log\/(dpkg|alternatives)|cache\/ldconfig|cache\/man)|^\/etc\/ld\.so\.cache$/
    return stdout.split('\n').filter(path => path !== '' && !own.test(path))
  }
}

/** The package that `npm run deb` has made. */
export function builtPackage(): string {
  const [file] = globSync('dist/margay_*.deb')
  if (file === undefined) throw new Error('npm run deb made no package')
  return file
}
