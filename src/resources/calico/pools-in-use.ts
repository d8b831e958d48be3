// A pool that Calico's nodes have blocks of gives no addresses here: both would give the same ones.

import { overlaps, parsePrefix } from '../../../inet/index.ts'
import type { Conversion } from './convert.ts'

/** The pool, disabled if one of the blocks (CIDRs) has addresses of it. Other kinds stay as they are. */
export function withoutPoolsInUse(conversion: Conversion, blocks: readonly string[]): Conversion {
  const { resource } = conversion
  if (resource?.kind !== 'IPPool' || resource.spec.disabled) return conversion
  const range = parsePrefix(resource.spec.cidr)
  const inside = blocks.filter(cidr => {
    const block = parsePrefix(cidr)
    return range !== undefined && block !== undefined && overlaps(range, block)
  })
  if (inside.length === 0) return conversion
  const count = inside.length === 1 ? 'a block' : `${inside.length} blocks`
  const why = `disabled: true, as nodes of Calico have ${count} of it (${inside[0]}${inside.length > 1 ? ', …' : ''}), and both would give the same addresses; apply it with disabled: false when Calico gives none there any more`
  return {
    ...conversion,
    resource: { ...resource, spec: { ...resource.spec, disabled: true } },
    changed: [...conversion.changed, why],
  }
}
