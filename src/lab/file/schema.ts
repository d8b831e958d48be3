// What a lab file may say: its first YAML document. (The documents after it are resources, which src/resources knows.)
// Unknown keys are refused; read.ts adds file, line and column to what is refused here.

import * as v from 'valibot'
import { formatAddress, type IpFamily, parseAddress } from '../../../inet/index.ts'
import { asNumber, cidr, dottedQuad, holdTime } from '../../resources/fields.ts'

/** Three lines, as fields.ts has them: what, why, what next. */
const refusal = (what: string, why: string, fix: string): string => `${what}\n${why}\n${fix}`

const nameForm = /^[a-z0-9]([-a-z0-9]{0,22}[a-z0-9])?$/

export const isName = (text: string): boolean => nameForm.test(text)

const name = () =>
  v.pipe(
    v.string(),
    v.regex(
      nameForm,
      refusal(
        'is not a name',
        'Names become network namespaces: small letters, digits and dashes, at most 24, beginning and ending with a letter or digit.',
        'Write it like r1n1.',
      ),
    ),
  )

const address = (family: IpFamily) =>
  v.pipe(
    v.string(),
    v.check(
      text => parseAddress(text)?.family === family,
      refusal(
        `is not an IPv${family} address`,
        "The address stands without a length: the subnet's applies.",
        `Write it like ${family === 4 ? '10.1.1.11' : 'fd00:1:1::11'}.`,
      ),
    ),
    v.transform(text => {
      const parsed = parseAddress(text)
      return parsed ? formatAddress(parsed) : text
    }),
  )

const listOf = <S extends v.GenericSchema>(item: S) => v.optional(v.array(item), [])

const subnet = v.strictObject({
  name: name(),
  ipv4: v.optional(cidr()),
  ipv6: v.optional(cidr()),
})

const hostInterface = v.strictObject({
  subnet: name(),
  ipv4: v.optional(address(4)),
  ipv6: v.optional(address(6)),
})

const interfaces = v.pipe(
  v.array(hostInterface),
  v.minLength(
    1,
    refusal(
      'is empty',
      'A host is reached through its interfaces.',
      'Give it one, like [{ subnet: rack1, ipv4: 10.1.1.11 }].',
    ),
  ),
)

const neighbour = v.strictObject({
  /** Name of a router or node on a common subnet; its address and AS number follow from there. */
  host: name(),
  /** What the router takes from it: everything, or only what lies in an IPPool. */
  accept: v.optional(v.picklist(['all', 'pods']), 'all'),
  /** The router reflects routes to and from it (RFC 4456). */
  client: v.optional(v.boolean(), false),
})

const router = v.strictObject({
  name: name(),
  kind: v.picklist(['bird', 'frr']),
  asn: asNumber(),
  routerId: dottedQuad('router id'),
  interfaces,
  /** Names of own subnets that the neighbours are told of. */
  announce: listOf(name()),
  /** Seconds. */
  holdTime: v.optional(holdTime(), 90),
  neighbours: listOf(neighbour),
})

const podCount = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(100, refusal('is too many', 'A lab runs on one machine.', 'Write at most 100.')),
)

const node = v.strictObject({
  name: name(),
  /** Default: BGPConfiguration's. */
  asn: v.optional(asNumber()),
  labels: v.optional(v.record(v.string(), v.string()), {}),
  routeReflectorClusterID: v.optional(dottedQuad('cluster id')),
  interfaces,
  /** How many (`r1n1-p1`, `r1n1-p2`, …), or their names. */
  pods: v.optional(v.union([podCount, v.array(name())]), 0),
  /** Name of the host that is its default gateway; without it the node has no default route. */
  gateway: v.optional(name()),
})

const outsideHost = v.strictObject({ name: name(), interfaces, gateway: v.optional(name()) })

export const labSchema = v.strictObject({
  name: name(),
  subnets: v.pipe(
    v.array(subnet),
    v.minLength(1, refusal('is empty', 'Hosts meet on subnets.', 'Add one, like { name: lan, ipv4: 10.2.0.0/24 }.')),
  ),
  routers: listOf(router),
  nodes: listOf(node),
  outside: listOf(outsideHost),
})

export type LabFile = v.InferOutput<typeof labSchema>
export type Subnet = LabFile['subnets'][number]
export type HostInterface = v.InferOutput<typeof hostInterface>
export type Router = LabFile['routers'][number]
export type Neighbour = Router['neighbours'][number]
export type LabNode = LabFile['nodes'][number]
export type OutsideHost = LabFile['outside'][number]
