// Of several objects of Calico's that would become one of ours, one is meant: two keys may say one name, and IPAMConfig and
// IPAMConfiguration are one kind here.

import { ourKind, type CalicoObject } from './convert.ts'
import { kinds } from '../kinds/index.ts'
import { ipamConfigKey } from './keys.ts'

/** The object, and why it is not the one that is meant; one sentence without a full stop. */
export interface Meant {
  readonly object: CalicoObject
  readonly why?: string
}

/** Meant is what Calico's own IPAM goes by, else what has the key of its name, else the first. */
export function meantOf(objects: readonly CalicoObject[]): readonly Meant[] {
  const namesakes = Map.groupBy(objects, nameHere)
  return objects.map(object => {
    const of = namesakes.get(nameHere(object)) ?? []
    const meant =
      of.find(({ key }) => key === ipamConfigKey) ??
      of.find(({ key, metadata }) => key?.endsWith(`/${metadata.name}`) === true) ??
      of[0]
    // Those of namespaces may be called the same, and none of them is taken.
    if (meant === object || !Object.hasOwn(kinds, ourKind(object.kind))) return { object }
    const [own, other] = [object.key ?? 'another', meant.key ?? 'another key']
    const is = meant.key === ipamConfigKey ? "is what Calico's address manager goes by" : 'has that name, too'
    return { object, why: `its key is ${own}, and ${other} ${is}` }
  })
}

function nameHere({ kind, metadata }: CalicoObject): string {
  return `${ourKind(kind)} ${metadata.name}`
}
