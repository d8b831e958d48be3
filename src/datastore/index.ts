// The stores: the cluster's shared one and the node's own. Neither knows what its values mean.

export * from './contract.ts'
export * from './node-store.ts'
export { endlessText, type Presence, type Sign } from './presence.ts'
export { openEmbeddedDatastore } from './embedded/datastore.ts'
export { openNodeStore } from './node/store.ts'
export { describeDatastore, openDatastore, type DatastoreSettings } from './open.ts'
