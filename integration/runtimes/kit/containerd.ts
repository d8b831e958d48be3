// Debian's containerd on one node of a lab, with folders, socket, images and cgroup of its own; its CRI plugin attaches pods to
// Margay as it does under a kubelet. It ends with the test, and what its pods had mounted goes with it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { inNamespace } from '../../../src/lab/processes.ts'
import { eventually, execute, type TestLab } from '../../kit/lab.ts'
import { Cri, type Pod } from './cri.ts'
import { buildImage } from './image.ts'
import type { CniFolders } from './installed.ts'

/** Of the sandbox ("pause"), and of containers. */
const image = 'margay.test/box:1'

/** `version = 2`: of containerd 1.x. netns_mounts_under_state_dir keeps the pods' namespaces out of the machine's /run/netns. */
const configuration = (folder: string, { binDir, confDir }: CniFolders): string => `version = 2
root = "${folder}/root"
state = "${folder}/state"
[grpc]
  address = "${folder}/c.sock"
[ttrpc]
  address = "${folder}/c.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${image}"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${binDir}"
    conf_dir = "${confDir}"
`

export class Containerd {
  readonly cri: Cri
  readonly #folder: string
  readonly #cgroup: string

  private constructor(folder: string, cgroup: string) {
    this.#folder = folder
    this.#cgroup = cgroup
    this.cri = new Cri(join(folder, 'c.sock'))
  }

  static async start(t: Test, lab: TestLab, node: string, cni: CniFolders): Promise<Containerd> {
    const folder = mkdtempSync(join(tmpdir(), 'mgc-'))
    const name = lab.netns(node)
    const self = new Containerd(folder, `margay-${name}`)
    writeFileSync(join(folder, 'config.toml'), configuration(folder, cni))
    // containerd 1.x sets each pod's lo up by this plugin, and looks for it in the one folder of plugins that it knows.
    symlinkSync('/usr/lib/cni/loopback', join(cni.binDir, 'loopback'))
    const log = join(folder, 'log')
    const output = openSync(log, 'w')
    const [command, ...args] = inNamespace(name, ['containerd', '--config', join(folder, 'config.toml')])
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', command, ...args], { stdio: ['ignore', output, output] })
    const ended = once(child, 'close')
    t.teardown(async () => {
      await self.#removePods()
      self.cri.close()
      child.kill()
      await ended
      await self.#clear()
    })
    await eventually(
      'containerd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`containerd ended:\n${readFileSync(log, 'utf8').slice(-3000)}`)
        return self.cri.call('Version').catch(() => undefined)
      },
      120,
    )
    mkdirSync(join(folder, 'image'))
    const archive = buildImage(join(folder, 'image'), image)
    const ctr = ['ctr', '-a', join(folder, 'c.sock'), '-n', 'k8s.io']
    const imported = await execute([...ctr, 'image', 'import', '--snapshotter', 'native', archive])
    if (imported.code !== 0) throw new Error(imported.stderr)
    return self
  }

  /** What a kubelet would say of this pod of namespace `default`. */
  pod(name: string): Pod {
    const logDirectory = join(this.#folder, 'logs', name)
    mkdirSync(logDirectory, { recursive: true })
    const metadata = { name, uid: `uid-${name}`, namespace: 'default' }
    return { metadata, hostname: name, logDirectory, linux: { cgroupParent: `/${this.#cgroup}` } }
  }

  /** RunPodSandbox. */
  async run(config: Pod): Promise<string> {
    return (await this.cri.call('RunPodSandbox', { config })).podSandboxId
  }

  /** Its state, and its addresses as a kubelet reports them. */
  async status(podSandboxId: string) {
    const { status } = await this.cri.call('PodSandboxStatus', { podSandboxId })
    const { ip, additionalIps } = status.network
    return { state: status.state, addresses: [ip, ...additionalIps.map(each => each.ip)].filter(each => each !== '') }
  }

  /** Starts a container in the pod's sandbox. */
  async container(podSandboxId: string, sandboxConfig: Pod): Promise<string> {
    const config = {
      metadata: { name: 'main' },
      image: { image },
      command: ['/bin/sleep', '3600'],
      logPath: 'main.log',
    }
    const { containerId } = await this.cri.call('CreateContainer', { podSandboxId, config, sandboxConfig })
    await this.cri.call('StartContainer', { containerId })
    return containerId
  }

  /** As `kubectl exec`: what it printed, and its exit code. */
  async exec(containerId: string, ...cmd: string[]): Promise<{ readonly code: number; readonly text: string }> {
    const { stdout, stderr, exitCode } = await this.cri.call('ExecSync', { containerId, cmd, timeout: 60 })
    return { code: exitCode, text: Buffer.concat([stdout, stderr]).toString() }
  }

  async #removePods(): Promise<void> {
    const { items } = await this.cri.call('ListPodSandbox').catch(() => ({ items: [] }))
    for (const { id } of items) {
      await this.cri.call('StopPodSandbox', { podSandboxId: id }).catch(() => {})
      await this.cri.call('RemovePodSandbox', { podSandboxId: id }).catch(() => {})
    }
  }

  async #clear(): Promise<void> {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/^(?:\S+ ){4}(\S+)/gm)
    const ours = [...mounts].map(([, place]) => place).filter(place => place.startsWith(`${this.#folder}/`))
    for (const place of ours.toReversed()) await execute(['umount', '-l', place])
    for (const group of globSync([`/sys/fs/cgroup/${this.#cgroup}`, `/sys/fs/cgroup/*/${this.#cgroup}`]))
      rmdirSync(group)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
