// The one set of address and prefix types of the whole house.

export * from './address.ts'
export * from './prefix.ts'
export * from './prefix-map.ts'
export { Ranges } from './ranges.ts'
export { specialRange, type SpecialRange, specialRangeWithin } from './special.ts'
export { PrefixTable } from './table.ts'
