// What a CNI test has: two nodes in namespaces, each with its daemon, and containers, which are namespaces without a process.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { answering } from '../../netlink/echo.ts'
import { open, type Rtnetlink } from '../../netlink/index.ts'
import { makePodNamespace, removeNamespaces } from '../../src/lab/network.ts'
import { netnsPath } from '../../src/lab/processes.ts'
import { type Ended, TestLab } from '../kit/lab.ts'
import {
  type Attachment,
  callPlugin,
  type CniResult,
  CniNetwork,
  environmentOf,
  type Json,
  type PluginAnswer,
} from '../kit/libcni.ts'

export const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type Version = (typeof versions)[number]

export const atLeast = (version: Version, least: Version): boolean =>
  versions.indexOf(version) >= versions.indexOf(least)

const lab = `
name: cni
subnets:
  - { name: lan, ipv4: 10.8.0.0/24, ipv6: 'fd00:8::/64' }
nodes:
  - { name: n1, interfaces: [{ subnet: lan, ipv4: 10.8.0.11, ipv6: 'fd00:8::11' }], pods: 0 }
  - { name: n2, interfaces: [{ subnet: lan, ipv4: 10.8.0.12, ipv6: 'fd00:8::12' }], pods: 1 }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods-v4 }, spec: { cidr: 10.48.0.0/16 } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods-v6 }, spec: { cidr: 'fd00:48::/48' } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: rack-v4 }, spec: { cidr: 10.50.0.0/16, assignmentMode: Manual } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: rack-v6 }, spec: { cidr: 'fd00:50::/48', assignmentMode: Manual } }
---
apiVersion: margay.io/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: 64512, nodeToNodeMeshEnabled: true, holdTime: 9, connectRetryTime: 1 }
`

/** A container that is given interfaces. */
export interface Container extends Attachment {
  /** Name of its namespace. */
  readonly name: string
  readonly netns: string
}

export class CniWorld {
  readonly lab: TestLab
  readonly node = 'n1'
  /** Another node, and a pod there. */
  readonly remote = { node: 'n2', pod: 'n2-p1' }
  readonly #folder: string
  /** In the node's namespace. */
  readonly #netlink: Rtnetlink
  #containers = 0

  private constructor(lab: TestLab, folder: string, netlink: Rtnetlink) {
    this.lab = lab
    this.#folder = folder
    this.#netlink = netlink
  }

  static async up(t: Test, tag: string): Promise<CniWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'margay-cni-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const testLab = await TestLab.up(t, { text: lab }, tag)
    const netlink = await open({ netns: netnsPath(testLab.netns('n1')) })
    t.teardown(() => netlink.close())
    return new CniWorld(testLab, folder, netlink)
  }

  /** A new namespace; it goes with the lab, or by `remove`. */
  async container(): Promise<Container> {
    const id = `c${++this.#containers}`
    const name = this.lab.netns(id)
    this.lab.dir.writePods(pods => [...pods, { name: id, node: this.node, netns: name }])
    await makePodNamespace(name)
    return { name, containerId: `${id}-${process.pid}`, netns: netnsPath(name) }
  }

  remove(container: Container): Promise<void> {
    return removeNamespaces([container.name])
  }

  /** Our plugin's configuration in a network of node n1. */
  conf(version: string, more: Json = {}): Json & { readonly type: string } {
    const { cni, spool } = this.lab.files(this.node)
    return { type: 'margay-cni', cniVersion: version, name: 'margay', socket: cni, spoolDir: spool, ...more }
  }

  /** A chain of plugins with ours in it: `more` are keys of ours. */
  network(
    version: Version,
    {
      name = 'margay',
      more = {},
      before = [],
      after = [],
      path = [],
      disableCheck = false,
    }: {
      readonly name?: string
      readonly more?: Json
      readonly before?: readonly (Json & { readonly type: string })[]
      readonly after?: readonly (Json & { readonly type: string })[]
      /** Where plugins are found before anywhere else. */
      readonly path?: readonly string[]
      readonly disableCheck?: boolean
    } = {},
  ): CniNetwork {
    return new CniNetwork({
      conflist: { cniVersion: version, name, disableCheck, plugins: [...before, this.conf(version, more), ...after] },
      path: [...path, dirname(this.lab.programs.cni), '/usr/lib/cni'],
      cacheDir: join(this.#folder, 'results'),
      node: this.lab.netns(this.node),
    })
  }

  /** One call of our plugin alone. `stdin`: text, or keys of the configuration. */
  call(
    command: string,
    version: string,
    container: Partial<Attachment> & { readonly env?: Readonly<Record<string, string | undefined>> } = {},
    stdin: string | Json = {},
  ): Promise<PluginAnswer> {
    const { containerId, env } = container
    return callPlugin({
      plugin: this.lab.programs.cni,
      node: this.lab.netns(this.node),
      env: {
        ...(containerId !== undefined && environmentOf({ ...container, containerId })),
        CNI_COMMAND: command,
        CNI_PATH: '/opt/cni/bin',
        ...env,
      },
      stdin: typeof stdin === 'string' ? stdin : JSON.stringify(this.conf(version, stdin)),
      killAfter: container.killAfter,
    })
  }

  /** Addresses that the node's allocator has given to containers. */
  async addressesInUse(): Promise<readonly string[]> {
    const { addresses } = await this.lab.ask(this.node, '/v1/ipam', {})
    return addresses.filter(each => each.containerId.endsWith(`-${process.pid}`)).map(each => each.address)
  }

  /** Everything of containers that is on the node: addresses given, devices, routes to them. */
  async leftOnNode(): Promise<readonly string[]> {
    const [links, routes] = [await this.#netlink.links(), await this.#netlink.routes()]
    const hostEnds = new Map(links.filter(({ name }) => name.startsWith('mgy')).map(({ index, name }) => [index, name]))
    const toThem = routes.filter(({ nextHops }) =>
      nextHops.some(({ link }) => link !== undefined && hostEnds.has(link)),
    )
    return [...hostEnds.values(), ...toThem.map(({ dst }) => dst), ...(await this.addressesInUse())]
  }

  /** Whether an echo comes back. */
  async reaches(from: string, address: string): Promise<boolean> {
    const [answered] = await answering({ netns: netnsPath(this.lab.netns(from)), to: [address], wait: 10_000 })
    return answered
  }

  /** One echo, by a program. */
  ping(from: string, address: string): Promise<Ended> {
    return this.lab.tryExec(from, 'ping', '-c1', '-W10', address)
  }
}

/** Addresses of a result in whatever shape, with length. */
export function addressesOf({ ips, ip4, ip6 }: CniResult): readonly string[] {
  return ips?.map(ip => ip.address) ?? [ip4, ip6].flatMap(half => half?.ip ?? [])
}

/** The error object of a call that failed. */
export function errorIn({ exitCode, stdout }: PluginAnswer): Json {
  return { exitCode, ...(JSON.parse(stdout) as Json) }
}
