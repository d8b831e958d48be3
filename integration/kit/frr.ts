// FRR in a network namespace: zebra for interfaces, bgpd for BGP, their sockets in a directory that is removed at the end.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { within } from './bgp-pair.ts'

const run = promisify(execFile)

export class Frr {
  readonly #netns: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgf-'))
  readonly #daemons: ChildProcess[] = []

  private constructor(netns: string) {
    this.#netns = netns
  }

  /** With that bgpd.conf; `zebra`: what zebra.conf says beside its name. Gone when the test ends. */
  static async start(t: Test, netns: string, bgpd: string, zebra = ''): Promise<Frr> {
    const frr = new Frr(netns)
    const stop = () => frr.stop()
    process.once('exit', stop)
    t.teardown(() => {
      process.off('exit', stop)
      stop()
    })
    writeFileSync(join(frr.#directory, 'zebra.conf'), `hostname frr\n${zebra}`)
    writeFileSync(join(frr.#directory, 'bgpd.conf'), `hostname frr\n${bgpd}`)
    execFileSync('chown', ['-R', 'frr:frr', frr.#directory])
    frr.#spawn('zebra')
    await within(60, async () => existsSync(join(frr.#directory, 'zserv.api')))
    frr.#spawn('bgpd', '-p', '179')
    return frr
  }

  /** What vtysh answers. */
  async vtysh(...commands: readonly string[]): Promise<string> {
    const place = ['--config_dir', this.#directory, '--vty_socket', this.#directory]
    const { stdout } = await run('vtysh', [...place, ...commands.flatMap(one => ['-c', one])]).catch(error => error)
    return String(stdout)
  }

  stop(): void {
    for (const daemon of this.#daemons.splice(0)) daemon.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #spawn(role: string, ...more: readonly string[]): void {
    const dir = this.#directory
    const argv = [`/usr/lib/frr/${role}`, '-f', `${dir}/${role}.conf`, '-i', `${dir}/${role}.pid`]
    argv.push('-z', `${dir}/zserv.api`, '--vty_socket', dir, ...more)
    this.#daemons.push(spawn('ip', ['netns', 'exec', this.#netns, ...argv], { stdio: 'ignore' }))
  }
}
