// Network namespaces of a kernel test: made under a prefix of our own, removed at its end whatever happens.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const exec = promisify(execFile)

export class TestNamespaces implements AsyncDisposable {
  readonly #prefix = `mgd-${process.pid}-`
  readonly #names = new Set<string>()

  /** Makes one with `lo` up and returns its path. Its settings are the kernel's own, not those of this machine. */
  async add(name: string): Promise<string> {
    const full = this.#prefix + name
    await exec('ip', ['netns', 'add', full])
    this.#names.add(full)
    const path = `/run/netns/${full}`
    await this.run(path, 'ip', 'link', 'set', 'lo', 'up')
    return path
  }

  /** Removes one now. */
  async remove(path: string): Promise<void> {
    const full = path.slice('/run/netns/'.length)
    await exec('ip', ['netns', 'delete', full])
    this.#names.delete(full)
  }

  /** Runs a command in a namespace; its output. Rejects if it fails. */
  async run(path: string, command: string, ...args: string[]): Promise<string> {
    const { stdout } = await exec('nsenter', [`--net=${path}`, command, ...args])
    return stdout
  }

  /** As `run`, but false for a failure. */
  async succeeds(path: string, command: string, ...args: string[]): Promise<boolean> {
    return this.run(path, command, ...args).then(
      () => true,
      () => false,
    )
  }

  /** As `run`, but a failure is as good as a success; what the command wrote to either stream. */
  async tries(path: string, command: string, ...args: string[]): Promise<{ readonly output: string }> {
    const { stdout, stderr } = await exec('nsenter', [`--net=${path}`, command, ...args]).catch(
      (error: { stdout: string; stderr: string }) => error,
    )
    return { output: stdout + stderr }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names) await exec('ip', ['netns', 'delete', name]).catch(() => {})
  }
}

/** False where the machine does not let us make namespaces: a reason to skip. */
export function skipWithoutRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'needs root: run the tests as root'
}
