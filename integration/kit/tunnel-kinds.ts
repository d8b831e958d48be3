// The kinds of tunnel that a pool of IPv4 can have besides VXLAN, and what each looks like from outside.

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'
import type { Wrapping } from './encapsulated.ts'
import { eventually, type TestLab } from './lab.ts'

export interface TunnelKindRow extends Wrapping {
  /** Of an IPPool's spec. */
  readonly field: string
  /** Kernel modules without which there is no such tunnel. */
  readonly modules: readonly string[]
  /** What the daemon says where they are missing. */
  readonly missing: RegExp
}

/** Whoever adds a kind adds a row: the test in the virtual machine tries it. */
export const tunnelKinds: readonly TunnelKindRow[] = [
  {
    field: 'ipipMode',
    modules: ['ipip'],
    missing: /no IPIP devices \(CONFIG_NET_IPIP\).*modprobe ipip/,
    family: 'ipv4',
    device: 'margay-ipip',
    mtu: 1480,
    filter: 'ip proto 4',
    outer: /proto IPIP \(4\)/,
  },
  {
    field: 'greMode',
    modules: ['ip_gre'],
    missing: /no GRE devices \(CONFIG_NET_IPGRE\).*modprobe ip_gre/,
    family: 'ipv4',
    device: 'margay-gre',
    mtu: 1476,
    filter: 'ip proto 47',
    outer: /proto GRE \(47\)/,
  },
  {
    field: 'fouMode',
    modules: ['fou', 'ip_gre'],
    missing: /no FoU devices \(CONFIG_NET_FOU,.*modprobe -a fou ip_gre/,
    family: 'ipv4',
    device: 'margay-fou',
    mtu: 1464,
    filter: 'udp port 5556',
    outer: /proto UDP \(17\)[^]*\.5556: /,
  },
  {
    field: 'gueMode',
    modules: ['fou', 'ip_gre'],
    missing: /no GUE devices \(CONFIG_NET_FOU,.*modprobe -a fou ip_gre/,
    family: 'ipv4',
    device: 'margay-gue',
    mtu: 1460,
    filter: 'udp port 6080',
    outer: /proto UDP \(17\)[^]*\.6080: /,
  },
]

/** Whether the kernel at hand can have a device of that type, with these words of `ip link add`. */
export function kernelHas(type: string, ...words: string[]): boolean {
  try {
    execFileSync('unshare', ['--net', 'ip', 'link', 'add', 'name', 'try0', 'type', type, ...words], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** 2 MiB from one pod to another, by HTTP: what arrives is what was sent. */
export async function transferHolds(t: Test, lab: TestLab, from: string, to: string, what: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'margay-transfer-'))
  const data = randomBytes(2 * 1024 * 1024)
  writeFileSync(join(folder, 'data'), data)
  const stop = lab.running(from, ['busybox', 'httpd', '-f', '-p', '8080', '-h', folder])
  try {
    const request = `exec 3<>/dev/tcp/${lab.addresses(from).ipv4}/8080 && printf 'GET /data HTTP/1.0\\r\\n\\r\\n' >&3`
    const sum = await eventually('the transfer', async () => {
      const got = await lab.tryExec(to, 'timeout', '60', 'bash', '-c', `${request} && sed '1,/^\\r$/d' <&3 | sha256sum`)
      return got.code === 0 && got.stdout.split(' ')[0]
    })
    t.equal(sum, createHash('sha256').update(data).digest('hex'), `${what}: 2 MiB by TCP`)
  } finally {
    await stop()
    rmSync(folder, { recursive: true })
  }
}
