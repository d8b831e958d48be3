// Addresses for pods: pools, blocks, addresses, their owners.

export { IpamError, type IpamErrorCode } from './errors.ts'
export { Ipam } from './ipam.ts'
export type * from './types.ts'
export type { Elsewhere } from './outside.ts'
export { type AddressRow, blockKind, blockName, type BlockRecord, copyKind, type Owner, readBlock } from './records.ts'
export { allAddresses } from './all-addresses.ts'
export { type Noted, notedText, putBack, reassign } from './misassigned.ts'
export { blocksOfNode, copiesBesideBlocks, freeBlocks, type HeldBlock, type HeldCopy } from './decommission.ts'
