// Whether this node's addresses, pods and kernel agree: what `margayctl ipam check` asks a daemon, and what it puts right.
//
// Nothing is locked: ADDs and DELs go on meanwhile. What one was under way of during the look is left out, as it was seen half done;
// and what is put right is looked at again first, while no ADD or DEL of that attachment runs.

import type { IpamFinding } from '../api/contract.ts'
import { hostDeviceName, isHostDevice, isNameless } from '../dataplane/endpoints/names.ts'
import type { Kernel } from '../dataplane/kernel.ts'
import { deletionOf, isMarked, type Mark } from '../dataplane/routes/route.ts'
import { type Elsewhere, type Ipam, IpamError, type IpamSnapshot } from '../ipam/index.ts'
import { type Endpoint, endpointKey } from '../model/endpoint.ts'
import type { Link, Route } from '../../netlink/types.ts'
import { isOfCopies, ofCopies } from './ipam-check-copies.ts'
import { heldFindings, outsideFinding } from './ipam-outside.ts'
import type { Pods } from './pods.ts'
import { isTunnelOwner } from './tunnels.ts'

export interface IpamCheckPorts {
  readonly ipam: Ipam
  readonly pods: Pods
  readonly kernel: Kernel
  readonly mark: Mark
}

/** What the check compares, at one moment. */
interface View {
  readonly rows: IpamSnapshot['addresses']
  readonly records: readonly Endpoint[]
  readonly devices: ReadonlyMap<string, Link>
  /** Ours, to one address by a pod's device. */
  readonly routes: readonly Route[]
  /** Keys of the pods whose namespace is there. */
  readonly alive: ReadonlySet<string>
  /** Addresses that somebody had when the look began. */
  readonly before: ReadonlySet<string>
  /** Keys of the pods that came or went meanwhile. */
  readonly moved: ReadonlySet<string>
  /** Of attached pods: addresses in no block of this node. */
  readonly outside: ReadonlyMap<string, Elsewhere>
}

export interface Found extends IpamFinding {
  /**
   * Puts it right, and answers whether that was still called for; fails with an IpamError where the datastore does not let it. Absent:
   * nobody but the operator can.
   */
  readonly repair?: () => Promise<boolean>
}

export class IpamCheck {
  readonly #ports: IpamCheckPorts

  constructor(ports: IpamCheckPorts) {
    this.#ports = ports
  }

  /** What is wrong on this node. With `fix`, what is provable is put right. `only`: kinds to look at. */
  async run({ fix, only }: { readonly fix: boolean; readonly only?: readonly IpamFinding['kind'][] }) {
    const isWanted = ({ kind }: IpamFinding): boolean => only?.includes(kind) ?? true
    // For them the datastore is asked.
    const copies = only && !only.some(isOfCopies) ? [] : await ofCopies(this.#ports.ipam)
    const held = heldFindings(this.#ports.ipam)
    const found: readonly Found[] = [...this.#compare(await this.#look()), ...held, ...copies].filter(isWanted)
    const findings: IpamFinding[] = []
    for (const { repair, ...finding } of found) {
      const outcome = fix && (await repair?.().catch(asRefusal))
      findings.push({
        ...finding,
        fixable: repair !== undefined,
        ...(outcome === true && { fixed: true }),
        ...(typeof outcome === 'string' && { refused: outcome }),
      })
    }
    return findings
  }

  async #look(): Promise<View> {
    const { kernel, mark, ipam, pods } = this.#ports
    using moving = pods.moving()
    const before = new Set(ipam.show().addresses.map(({ address }) => address))
    await using node = await kernel.open()
    const links = (await node.links()).filter(isHostDevice)
    const ofPods = new Set(links.map(({ index }) => index))
    const routes = (await node.routes({ protocol: mark.protocol, table: mark.table })).filter(
      route => isMarked(route, mark) && route.nextHops.some(({ link }) => link !== undefined && ofPods.has(link)),
    )
    const records = await pods.records()
    const alive = new Set<string>()
    for (const record of records)
      if (record.netns !== '' && (await kernel.identify(record.netns)) !== undefined) alive.add(endpointKey(record))
    const devices = new Map(links.map(link => [link.name, link]))
    const outside = await ipam.elsewhere(records.flatMap(({ addresses }) => addresses))
    return { rows: ipam.show().addresses, records, devices, routes, alive, before, moved: moving.keys, outside }
  }

  #compare(view: View): readonly Found[] {
    const { records, rows, routes, before, moved, devices } = view
    const holders = Map.groupBy(
      records.flatMap(record => record.addresses.map(address => ({ address, record }))),
      ({ address }) => address,
    )
    const rests = (pod: Endpoint | View['rows'][number]): boolean => !moved.has(endpointKey(pod))
    const known = new Set([...holders.keys(), ...rows.map(({ address }) => address), ...before])
    return [
      ...[...holders].flatMap(([address, of]) => {
        const pods = of.map(({ record }) => record).filter(({ hostDevice }) => devices.has(hostDevice))
        return pods.length > 1 && pods.every(rests) ? [twice(address, pods)] : []
      }),
      ...records.filter(rests).flatMap(record => this.#ofRecord(record, view)),
      ...rows
        .filter(row => !isTunnelOwner(row) && !holders.has(row.address) && rests(row))
        .map(row => this.#ofRow(row, view)),
      ...routes.filter(({ dst }) => !known.has(addressOf(dst))).map(route => this.#ofRoute(route)),
    ]
  }

  #ofRecord(record: Endpoint, { rows, devices, alive, moved, outside }: View): readonly Found[] {
    const { pods, ipam } = this.#ports
    const name = nameOf(record)
    if (!devices.has(record.hostDevice)) {
      const what = `pod ${name}: it holds ${record.addresses.join(', ')}, and its device ${record.hostDevice} is gone`
      if (alive.has(endpointKey(record)))
        return [
          {
            kind: 'leak',
            object: record.addresses.join(' '),
            text: `${what} while its namespace is there. Restart the pod: it has no network.`,
          },
        ]
      return [
        {
          kind: 'leak',
          object: record.addresses.join(' '),
          text: `${what}, as is its namespace: no DEL has come for it. It can be taken back.`,
          repair: () => pods.delIf(record, async () => !(await this.#hasDevice(record))),
        },
      ]
    }
    const nameless = isNameless(record) ? this.#ofNameless(record, rows, moved) : []
    const ofAddresses = record.addresses.flatMap((address): Found[] => {
      const where = outside.get(address)
      if (where) {
        const isExpelled = ipam.expelled !== undefined
        return [outsideFinding({ pod: name, node: ipam.show().node, address, where, isExpelled })]
      }
      const row = rows.find(each => each.address === address)
      if (row && (endpointKey(row) === endpointKey(record) || row.containerId === '' || isNameless(record))) return []
      // An ADD that was given what nothing recorded: it is refused, and gives it back.
      if (row && moved.has(endpointKey(row))) return []
      if (row)
        return [
          {
            kind: 'duplicate',
            object: address,
            text: `pod ${name} has it, and it is recorded for ${nameOf(row)}. Delete one of the two pods.`,
          },
        ]
      return [
        {
          kind: 'no-address',
          object: address,
          text: `pod ${name} has it, and nothing records that, so an ADD that chooses it fails. It can be recorded if it lies in a block of this node; else delete the pod.`,
          repair: () =>
            pods.between(record, async () => {
              const isThere = (await this.#holderOf(address)) === endpointKey(record) && (await this.#hasDevice(record))
              return isThere && (await ipam.record(address, record))
            }),
        },
      ]
    })
    return [...nameless, ...ofAddresses]
  }

  /** For whom its addresses are recorded is no finding then: nobody knows who it is. */
  #ofNameless(record: Endpoint, rows: View['rows'], moved: View['moved']): readonly Found[] {
    const { pods } = this.#ports
    const { hostDevice, addresses } = record
    const owner = rows.find(row => row.network !== '' && hostDeviceName(row) === hostDevice)
    if (owner && moved.has(endpointKey(owner))) return []
    const text = `a pod is attached by ${hostDevice}, and its name was lost with the store of this node. It has its network`
    const object = addresses.join(' ')
    if (!owner)
      return [
        {
          kind: 'nameless',
          object,
          text: `${text}. The next CHECK, GC or DEL by its runtime names it; if no runtime knows it any more: ip link delete ${hostDevice}.`,
        },
      ]
    return [
      {
        kind: 'nameless',
        object,
        text: `${text}. It is ${nameOf(owner)}, by the name of the device: it can be recorded so.`,
        repair: async () => {
          await pods.nameKnown()
          return (await pods.records()).some(each => endpointKey(each) === endpointKey(owner))
        },
      },
    ]
  }

  /** Key of the pod that is attached with the address now. */
  async #holderOf(address: string): Promise<string | undefined> {
    const holder = (await this.#ports.pods.records()).find(({ addresses }) => addresses.includes(address))
    return holder && endpointKey(holder)
  }

  async #hasDevice({ hostDevice }: Endpoint): Promise<boolean> {
    await using node = await this.#ports.kernel.open()
    return (await node.link(hostDevice)) !== undefined
  }

  #ofRow(row: View['rows'][number], { routes, devices }: View): Found {
    const { ipam, pods } = this.#ports
    const used = routes.some(({ dst }) => addressOf(dst) === row.address) || devices.has(hostDeviceName(row))
    const whose = row.containerId === '' ? 'found in use once' : `recorded for ${nameOf(row)} since ${row.since}`
    return {
      kind: 'no-endpoint',
      object: row.address,
      text: used
        ? `${whose}, no pod is attached with it, and a device of a pod is there for it. Restart margayd, which tells what that is.`
        : `${whose}, and no pod is attached with it. It can be released.`,
      ...(!used && {
        repair: () =>
          pods.between(row, async () => {
            if ((await this.#holderOf(row.address)) !== undefined) return false
            const isIt = (each: Pick<typeof row, 'address' | 'since'>): boolean =>
              each.address === row.address && each.since === row.since
            return (await ipam.releaseExcept(each => !isIt(each))).length > 0
          }),
      }),
    }
  }

  #ofRoute(route: Route): Found {
    const { kernel, ipam } = this.#ports
    return {
      kind: 'stray-route',
      object: route.dst,
      text: 'the kernel leads it to a device of a pod, and no pod has it. The route can be deleted.',
      repair: async () => {
        const address = addressOf(route.dst)
        await using node = await kernel.open()
        // An address is recorded before its pod gets a route, and the deletion names the device: it hits no later pod's.
        if (ipam.show().addresses.some(row => row.address === address)) return false
        if ((await this.#holderOf(address)) !== undefined) return false
        const [result] = await node.apply([
          { do: 'route.delete', route: { ...deletionOf(route), nextHops: route.nextHops } },
        ])
        return result.ok
      },
    }
  }
}

function asRefusal(error: unknown): string {
  if (error instanceof IpamError && error.code === 'unreachable') return error.message
  throw error
}

function twice(address: string, records: readonly Endpoint[]): Found {
  return {
    kind: 'duplicate',
    object: address,
    text: `pods ${records.map(nameOf).join(' and ')} are attached with it. Delete all but one of them.`,
  }
}

function addressOf(dst: string): string {
  return dst.split('/')[0]
}

function nameOf(pod: { readonly label?: string; readonly containerId: string; readonly ifName: string }): string {
  return pod.label ?? (pod.ifName === '' ? `of device ${pod.containerId}` : `${pod.containerId}/${pod.ifName}`)
}
