// The daemon's file, /etc/margay/margayd.yaml: what belongs to one node's process and not to the cluster. margayctl reads the same file
// to find the datastore and the socket.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import { defaultSocket, defaultSpoolDir } from '../../cni-plugin/protocol/socket.ts'
import { parseAddressMethod } from '../plan/address-method.ts'
import { choice, flag, integer, isObjectName, nameRule, objectName } from '../resources/fields.ts'
import { formatProblem, readSettings } from '../resources/index.ts'
import { Refusal, show } from '../resources/problem.ts'
import { field, toMessage } from '../resources/schema.ts'
import { type DatastoreConfig, datastoreSchema, readDatastore } from './datastore-config.ts'
import { path } from './path.ts'
import { defaultSysctls, sysctls } from './sysctls.ts'

export const defaultConfigFile = '/etc/margay/margayd.yaml'

function isProtocolOfOthers(protocol: number): boolean {
  return (
    (protocol >= 8 && protocol <= 18) || (protocol >= 186 && protocol <= 198) || [42, 80, 84, 99].includes(protocol)
  )
}

const addressMethod = (family: 4 | 6) =>
  field('method', value => {
    const parsed = typeof value === 'string' ? parseAddressMethod(value, family) : undefined
    if (parsed?.ok) return value as string
    return new Refusal(
      'is no way to find an address',
      parsed?.reason ?? 'It is a word.',
      parsed?.fix ?? 'Write it like first-found.',
    )
  })

const schema = v.strictObject({
  /** Which Node resource is this machine. Default: the host name. */
  node: v.optional(
    v.strictObject({
      name: v.optional(objectName()),
      /** How the node finds its own address, which it then writes into its Node. Default: whoever writes the Node says it. */
      address: v.optional(v.strictObject({ ipv4: v.optional(addressMethod(4)), ipv6: v.optional(addressMethod(6)) })),
    }),
  ),
  datastore: v.optional(datastoreSchema, {}),
  /** Folder of what this node alone must remember: addresses given, endpoints, the checkpoint. */
  stateDir: v.optional(path(), '/var/lib/margay'),
  dataplane: v.optional(
    v.strictObject({
      /** rtm_protocol that marks our routes (Linux keeps 0–4). */
      routeProtocol: v.optional(
        v.pipe(
          integer('number', 5, 255, 'It marks our routes in the kernel; Linux keeps 0 to 4.'),
          v.check(
            protocol => !isProtocolOfOthers(protocol),
            toMessage(
              new Refusal(
                'marks routes of another program',
                'In rtnetlink.h 8 to 18, 42, 84, 99 and 186 to 192 belong to BIRD, FRR, Keepalived and others, and 193 to 198 to daemons of FRR; 80 is that of Calico.',
                'Use 81, or another free one.',
              ),
            ),
          ),
        ),
        81,
      ),
      /** Kernel table of our routes; 254 is main. Another one needs rules that look it up. */
      routeTable: v.optional(
        v.pipe(
          integer('number', 1, 4_294_967_295, 'It is a table of the kernel; 254 is main.'),
          v.check(
            table => table !== 253 && table !== 255,
            toMessage(
              new Refusal(
                'is a table of the kernel itself',
                'It has its local addresses in 255, and looks 253 up last of all.',
                'Use 254 (main), or a free one, like 100.',
              ),
            ),
          ),
        ),
        254,
      ),
      /** Metric of our routes: with the protocol number it marks them. */
      routeMetric: v.optional(
        integer('number', 1, 4_294_967_295, 'With the protocol number it marks our routes.'),
        1024,
      ),
      /** What the network between nodes carries, where that is less than the node's link: of routes, tunnels and new pods. */
      mtu: v.optional(integer('octets', 1280, 65_535, 'IPv6 needs 1280, and IP knows no more than 65535.')),
      /** TCP connections of pods agree on segments that fit the route out of the node. */
      clampMss: v.optional(flag(), false),
      /** Where iptables drops what it forwards (Docker), rules of ours let pods through. */
      forwardAccept: v.optional(flag(), false),
      /** Checksums of packets within VXLAN are left to the network card; false where it spoils them. */
      vxlanChecksumOffload: v.optional(flag(), true),
    }),
    {},
  ),
  cni: v.optional(
    v.strictObject({
      socket: v.optional(path(), defaultSocket),
      /** Where the CNI executable leaves a DEL while the daemon is down. */
      spoolDir: v.optional(path(), defaultSpoolDir),
      /** What pods may ask for in their namespace. Default: what is safe for everybody else. */
      sysctls: v.optional(sysctls(), [...defaultSysctls]),
    }),
    {},
  ),
  api: v.optional(v.strictObject({ socket: v.optional(path(), '/run/margay/api.sock') }), {}),
  log: v.optional(
    v.strictObject({
      level: v.optional(choice('info', 'debug', 'warn', 'error'), 'info'),
      format: v.optional(choice('text', 'json'), 'text'),
    }),
    {},
  ),
})

type Parsed = v.InferOutput<typeof schema>

export type DaemonConfig = Omit<Parsed, 'node' | 'datastore'> & {
  readonly datastore: DatastoreConfig
  readonly node: { readonly name: string; readonly address?: NonNullable<Parsed['node']>['address'] }
}

/** What marks routes in the kernel as ours. */
export function routeMark({ dataplane }: Pick<DaemonConfig, 'dataplane'>): {
  readonly table: number
  readonly protocol: number
  readonly metric: number
} {
  return { table: dataplane.routeTable, protocol: dataplane.routeProtocol, metric: dataplane.routeMetric }
}

/** The file cannot be used; `message` says why and what to do. */
export class ConfigError extends Error {}

/** Reads a file; paths in it are relative to it. Throws `ConfigError`. */
export function loadConfig(file: string, hostName: string): DaemonConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): write one as docs/configuration.md shows, or name another with --config FILE`,
    )
  }
  return parseConfig(text, file, hostName)
}

/** What a daemon asks of its own name, that of the host where the file says none: `margayctl` runs where there is no node, too. Throws `ConfigError`. */
export function requireNodeName({ node: { name } }: DaemonConfig, file: string): void {
  if (isObjectName(name)) return
  const problem = {
    object: 'margayd.yaml',
    what: `there is no node.name, and the name of this host, ${show(name)}, is none that a Node can have`,
    path: [],
    why: nameRule,
    fix: `Set node.name in ${file}.`,
  }
  throw new ConfigError(formatProblem(problem))
}

export function parseConfig(text: string, file: string, hostName: string): DaemonConfig {
  const read = readSettings(schema, text, { file, owner: 'margayd.yaml' })
  if (!read.ok) throw new ConfigError(read.problems.map(formatProblem).join('\n'))
  const config = read.value
  const datastore = readDatastore(config.datastore, dirname(file))
  if (typeof datastore === 'string') throw new ConfigError(`margayd.yaml: ${datastore}\n  ${file}`)
  const beside = (path: string): string => resolve(dirname(file), path)
  return {
    ...config,
    node: { ...config.node, name: config.node?.name ?? hostName.toLowerCase() },
    datastore,
    stateDir: beside(config.stateDir),
    cni: { ...config.cni, socket: beside(config.cni.socket), spoolDir: beside(config.cni.spoolDir) },
    api: { socket: beside(config.api.socket) },
  }
}
