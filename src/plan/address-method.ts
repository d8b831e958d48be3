// How a node finds its own address: the methods by which the daemon's file names one, in Calico's words where Calico has the method.

import { type Address, parseAddress, parsePrefix, type Prefix } from '../../inet/index.ts'

export type AddressMethod =
  /** The first link that is up and bears an address, but for those that belong to other programs and those that `skip` names. */
  | { readonly by: 'first-found'; readonly skip: readonly RegExp[] }
  /** The link that the first pattern names; the next pattern, where it names none. */
  | { readonly by: 'interface'; readonly names: readonly RegExp[] }
  /** The address within the first range; the next range, where none is. */
  | { readonly by: 'cidr'; readonly ranges: readonly Prefix[] }
  /** The source of what the node sends to that address. */
  | { readonly by: 'can-reach'; readonly destination: Address }
  /** The source of what it sends to its BGP peers. */
  | { readonly by: 'route-to-peers' }

/** Links that are no way to other nodes, as Calico has them, whole names. `lo` may well bear the address, but has to be named. */
const othersLinks =
  /^(lo|docker.*|cbr.*|dummy.*|virbr.*|lxcbr.*|veth.*|br-.*|cali.*|tunl.*|flannel.*|kube-ipvs.*|cni.*|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns.*|podman.*)$/

export function isOthersLink(name: string): boolean {
  return othersLinks.test(name)
}

export type ParsedMethod =
  | { readonly ok: true; readonly method: AddressMethod }
  | { readonly ok: false; readonly reason: string; readonly fix: string }

/** Reads `interface=eth.*,bond0`. Patterns are regular expressions that have to match the whole name. */
export function parseAddressMethod(text: string, family: 4 | 6): ParsedMethod {
  const at = text.indexOf('=')
  const [name, value] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1).trim()]
  const items = (value ?? '').split(',').map(item => item.trim())
  const refuse = (reason: string, fix: string): ParsedMethod => ({ ok: false, reason, fix })
  const wantsValue = ['interface', 'skip-interface', 'cidr', 'can-reach'].includes(name)
  if (wantsValue && items.includes('')) return refuse(`${name} wants a value.`, `Write it like ${examples[name]}.`)
  if (!wantsValue && value !== undefined) return refuse(`${name} takes no value.`, `Write ${name} alone.`)
  switch (name) {
    case 'first-found':
      return { ok: true, method: { by: 'first-found', skip: [] } }
    case 'route-to-peers':
      return { ok: true, method: { by: 'route-to-peers' } }
    case 'interface':
    case 'skip-interface': {
      const patterns = items.map(item => patternOf(item))
      const bad = items[patterns.indexOf(undefined)]
      if (bad !== undefined) return refuse(`${bad} is no regular expression.`, `Write it like ${examples[name]}.`)
      const all = patterns.filter(pattern => pattern !== undefined)
      return { ok: true, method: name === 'interface' ? { by: name, names: all } : { by: 'first-found', skip: all } }
    }
    case 'cidr': {
      const ranges = items.map(item => parsePrefix(item))
      const bad = items[ranges.findIndex(range => range?.family !== family)]
      if (bad !== undefined) return refuse(`${bad} is no IPv${family} network.`, `Write it like ${examples[name]}.`)
      return { ok: true, method: { by: 'cidr', ranges: ranges.filter(range => range !== undefined) } }
    }
    case 'can-reach': {
      const destination = parseAddress(value ?? '')
      if (destination?.family !== family)
        return refuse(
          `${value} is no IPv${family} address.`,
          'Write an address: a name would have to be looked up first.',
        )
      return { ok: true, method: { by: 'can-reach', destination } }
    }
    default:
      return refuse(
        'It takes first-found, interface=, skip-interface=, cidr=, can-reach= or route-to-peers.',
        'docs/node-address.md describes them.',
      )
  }
}

const examples: Readonly<Record<string, string>> = {
  interface: 'interface=eth0,bond.*',
  'skip-interface': 'skip-interface=enp6s0f0,eth1.*',
  cidr: 'cidr=10.0.0.0/16,192.168.0.0/24',
  'can-reach': 'can-reach=10.0.0.1',
}

function patternOf(text: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${text})$`)
  } catch {
    return undefined
  }
}
