// bgp-speaker/wire: the codec alone, for tools and tests.

export * from './wire/attributes.ts'
export * from './wire/capabilities.ts'
export * from './wire/family.ts'
export * from './wire/header.ts'
export * from './wire/nlri.ts'
export * from './wire/notification.ts'
export { AS_TRANS, decodeOpen, encodeOpen, type Open as OpenMessage } from './wire/open.ts'
export * from './wire/refresh.ts'
export * from './wire/update.ts'
export * from './wire/verdict.ts'
