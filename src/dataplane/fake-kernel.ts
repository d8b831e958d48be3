// A small kernel in memory, for tests: namespaces (fake-namespace.ts), nftables, FoU, ethtool and WireGuard, with the semantics that the
// dataplane leans on. Each was seen on Linux 6.18; `kernel.contract.test.ts` runs the same cases on both.

import type { Rtnetlink } from '../../netlink/types.ts'
import type { Ethtool } from '../../netlink/generic/ethtool-types.ts'
import type { Fou } from '../../netlink/generic/fou-types.ts'
import type { Wireguard } from '../../netlink/generic/wireguard-types.ts'
import type { Netfilter } from '../../netlink/netfilter/types.ts'
import type { Kernel, Sysctl, SysctlName } from './kernel.ts'
import { FakeEthtool } from './fake-ethtool.ts'
import { FakeFou } from './fake-fou.ts'
import { FakeNamespace } from './fake-namespace.ts'
import { FakeNetfilter } from './fake-netfilter.ts'
import { FakeWireguard } from './fake-wireguard.ts'

export class FakeKernel implements Kernel {
  /** nftables of the node. */
  readonly netfilter = new FakeNetfilter()
  readonly fou = new FakeFou()
  readonly ethtool = new FakeEthtool()
  /** The node's own namespace. */
  readonly node = new FakeNamespace(path => this.at(path))
  /** Keys and peers of the node's devices. */
  readonly wireguard = new FakeWireguard(name => {
    const link = this.node.named(name)
    return link?.kind === 'wireguard' ? link.index : undefined
  })
  readonly #namespaces = new Map<string, FakeNamespace>()

  /** Makes a namespace under a path, as a container runtime does. */
  addNamespace(path: string): FakeNamespace {
    const namespace = new FakeNamespace(each => this.at(each))
    this.#namespaces.set(path, namespace)
    return namespace
  }

  /** Removes it: its devices go, and with them the other ends of veth pairs. */
  removeNamespace(path: string): void {
    this.#namespaces.get(path)?.clear()
    this.#namespaces.delete(path)
  }

  at(path?: string | number): FakeNamespace | undefined {
    return path === undefined ? this.node : this.#namespaces.get(String(path))
  }

  async open(netns?: string): Promise<Rtnetlink> {
    return this.#entered(netns).handle()
  }

  openEthtool(): Promise<Ethtool> {
    return this.ethtool.handle()
  }

  openFou(): Promise<Fou> {
    return this.fou.handle()
  }

  openNetfilter(): Promise<Netfilter> {
    return this.netfilter.handle()
  }

  openWireguard(): Promise<Wireguard> {
    return this.wireguard.handle()
  }

  async identify(netns?: string): Promise<string | undefined> {
    return this.at(netns)?.id
  }

  async readSysctls(names: readonly SysctlName[], netns?: string): Promise<readonly (string | undefined)[]> {
    return names.map(name => this.#entered(netns).readSysctl(name))
  }

  async writeSysctls(settings: readonly Sysctl[], netns?: string): Promise<readonly string[]> {
    const namespace = this.#entered(netns)
    return settings.flatMap(({ name, value, optional }) => {
      const errno = namespace.writeSysctl(name, value)
      return errno === undefined || (optional && errno === 'ENOENT')
        ? []
        : [`sysctl ${name} = ${value}: the fake kernel says ${errno}`]
    })
  }

  #entered(netns?: string): FakeNamespace {
    const namespace = this.at(netns)
    if (!namespace) throw new Error(`namespace ${netns} cannot be entered (ENOENT)`)
    return namespace
  }
}
