// What a lab file may say: its first YAML document. (The documents after it are resources, which src/resources knows.)
// Unknown keys are refused; read.ts adds file, line and column to what is refused here.

import * as v from 'valibot'
import { formatAddress, type IpFamily, parseAddress } from '../../../inet/index.ts'
import { asNumber, choice, cidr, dottedQuad, flag, holdTime, stringMap } from '../../resources/fields.ts'
import { Refusal } from '../../resources/problem.ts'
import { field, toMessage } from '../../resources/schema.ts'

const nameForm = /^[a-z0-9]([-a-z0-9]{0,22}[a-z0-9])?$/

export const isName = (text: string): boolean => nameForm.test(text)

const name = () =>
  field('name', value => {
    if (typeof value === 'string' && isName(value)) return value
    return new Refusal(
      'is not a name',
      'Names become network namespaces: small letters, digits and dashes, at most 24, beginning and ending with a letter or digit.',
      'Write it like r1n1.',
    )
  })

/** Without a length: the subnet's applies. */
const address = (family: IpFamily) =>
  field(`IPv${family} address`, value => {
    const parsed = typeof value === 'string' ? parseAddress(value) : undefined
    if (parsed?.family === family) return formatAddress(parsed)
    return new Refusal(
      `is not an IPv${family} address`,
      "The address stands without a length: the subnet's applies.",
      `Write it like ${family === 4 ? '10.1.1.11' : 'fd00:1:1::11'}.`,
    )
  })

const podCount = () =>
  field('number of pods', value => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 100) return value
    return new Refusal(
      'is neither a number of pods nor a list of their names',
      'A lab runs on one machine: a node has at most 100.',
      'Write it like 2 or [web, db].',
    )
  })

const loopback = v.strictObject({ ipv4: v.optional(address(4)), ipv6: v.optional(address(6)) })

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

/** At least one. */
const listOfSome = <S extends v.GenericSchema>(item: S) =>
  v.pipe(v.array(item), v.minLength(1, toMessage(new Refusal('is empty', 'The lab cannot do without.', 'Add one.'))))

const interfaces = listOfSome(hostInterface)

const neighbour = v.strictObject({
  /** Name of a router or node on a common subnet; its address and AS number follow from there. */
  host: name(),
  /** What the router takes from it: everything, or only what lies in an IPPool. */
  accept: v.optional(choice('all', 'pods'), 'all'),
  /** The router reflects routes to and from it (RFC 4456). */
  client: v.optional(flag(), false),
  /** The router puts its own AS in the place of the neighbour's, so that hosts of one AS learn of each other by it. */
  asOverride: v.optional(flag(), false),
})

const router = v.strictObject({
  name: name(),
  kind: choice('bird', 'frr'),
  asn: asNumber(),
  routerId: dottedQuad('router id'),
  interfaces,
  /** Names of own subnets that the neighbours are told of. */
  announce: listOf(name()),
  /** Seconds. */
  holdTime: v.optional(holdTime(), 90),
  /** It asks its neighbours to keep its routes while it restarts, and its kernel keeps forwarding (RFC 4724). Of BIRD only. */
  gracefulRestart: v.optional(flag(), false),
  neighbours: listOf(neighbour),
})

const node = v.strictObject({
  name: name(),
  /** Default: BGPConfiguration's. */
  asn: v.optional(asNumber()),
  labels: v.optional(stringMap('labels'), {}),
  routeReflectorClusterID: v.optional(dottedQuad('cluster id')),
  interfaces,
  /** The node's own address is here, as a /32 and a /128, and not on its first interface. */
  loopback: v.optional(loopback),
  /** How many (`r1n1-p1`, `r1n1-p2`, …), or their names. */
  pods: v.optional(
    v.lazy(input => (Array.isArray(input) ? v.array(name()) : podCount())),
    0,
  ),
  /** Name of the host that is its default gateway; without it the node has no default route. */
  gateway: v.optional(name()),
})

const outsideHost = v.strictObject({ name: name(), interfaces, gateway: v.optional(name()) })

export const labSchema = v.strictObject({
  name: name(),
  subnets: listOfSome(subnet),
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
