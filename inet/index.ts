// The one set of address and prefix types of the whole house.

export * from './address.ts'
export * from './prefix.ts'
export { PrefixTable } from './table.ts'
