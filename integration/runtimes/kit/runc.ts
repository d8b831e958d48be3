// Debian's runc on one node of a lab, with nothing above it: a container is a folder with config.json, and hooks in it attach and
// detach the container (configs/runc/margay-hook).

import { globSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Ended, TestLab } from '../../kit/lab.ts'
import { buildRoot } from './image.ts'
import type { CniFolders } from './installed.ts'

const hook = fileURLToPath(new URL('../../../configs/runc/margay-hook', import.meta.url))

interface Spec {
  readonly process: { readonly [key: string]: unknown }
  readonly linux: { readonly [key: string]: unknown }
}

export class Runc {
  readonly #lab: TestLab
  readonly #node: string
  readonly #folder: string
  readonly #env: readonly string[]
  readonly #made: string[] = []

  constructor(t: Test, lab: TestLab, node: string, folder: string, { binDir, confDir }: CniFolders) {
    this.#lab = lab
    this.#node = node
    this.#folder = join(folder, `${node}-runc`)
    buildRoot(join(this.#folder, 'rootfs'))
    const { name, cniVersion, plugins } = JSON.parse(readFileSync(join(confDir, '10-margay.conflist'), 'utf8')) as {
      readonly name: string
      readonly cniVersion: string
      readonly plugins: readonly [object]
    }
    const network = JSON.stringify({ ...plugins[0], name, cniVersion })
    this.#env = [`MARGAY_CNI=${join(binDir, 'margay-cni')}`, `MARGAY_NETWORK=${network}`]
    t.teardown(async () => {
      for (const id of this.#made) await this.delete(id)
      const groups = this.#made.map(id => `margay-${id}`)
      for (const group of globSync(groups.flatMap(name => [`/sys/fs/cgroup/${name}`, `/sys/fs/cgroup/*/${name}`])))
        rmdirSync(group)
    })
  }

  #runc(...argv: string[]): Promise<Ended> {
    return this.#lab.tryExec(this.#node, 'runc', '--root', join(this.#folder, 'state'), ...argv)
  }

  /** Starts a container that sleeps, and attaches it; its id is made of the lab's name, for its namespace has a name on the machine. */
  async run(tag: string): Promise<{ readonly id: string; readonly ended: Ended }> {
    const id = `${this.#lab.netns(this.#node)}-${tag}`
    const bundle = join(this.#folder, tag)
    mkdirSync(bundle)
    const made = await this.#runc('spec', '-b', bundle)
    if (made.code !== 0) throw new Error(made.stderr)
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Spec
    const call = (verb: string) => [{ path: hook, args: ['margay-hook', verb], env: this.#env }]
    const changed = {
      ...spec,
      root: { path: join(this.#folder, 'rootfs') },
      process: { ...spec.process, terminal: false, args: ['/bin/sleep', '3600'], rlimits: [] },
      linux: { ...spec.linux, cgroupsPath: `/margay-${id}` },
      hooks: { createRuntime: call('add'), poststop: call('del') },
    }
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(changed))
    this.#made.push(id)
    // A detached container keeps its parent's output open: it gets none.
    const script = 'exec runc "$@" </dev/null >/dev/null'
    const argv = ['--root', join(this.#folder, 'state'), '--log', join(bundle, 'log'), 'run', '-d', '-b', bundle, id]
    const ended = await this.#lab.tryExec(this.#node, 'sh', '-c', `${script} 2>&1`, 'sh', ...argv)
    return { id, ended: { ...ended, stderr: ended.stderr || logOf(bundle) } }
  }

  /** With the right to send echoes, which runc's own example of a container lacks. */
  exec(id: string, ...argv: string[]): Promise<Ended> {
    return this.#runc('exec', '--cap', 'CAP_NET_RAW', id, ...argv)
  }

  delete(id: string): Promise<Ended> {
    return this.#runc('delete', '--force', id)
  }
}

function logOf(bundle: string): string {
  try {
    return readFileSync(join(bundle, 'log'), 'utf8')
  } catch {
    return ''
  }
}
