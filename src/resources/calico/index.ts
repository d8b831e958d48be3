// Resources of a Calico cluster, read out of its etcd, as ours. No I/O.

export { type CalicoObject, type Conversion, fromCalico } from './convert.ts'
export { calicoPrefix, type CalicoStore, readCalicoKeys } from './keys.ts'
export { meantOf } from './namesakes.ts'
export { withoutPoolsInUse } from './pools-in-use.ts'
