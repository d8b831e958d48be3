// The `datastore` section of the daemon's file: which store, and how it is reached. Credentials are never in the file itself: it
// names files, or a variable of the environment.

import { resolve } from 'node:path'
import * as v from 'valibot'
import type { DatastoreSettings } from '../datastore/open.ts'
import { choice, integer, line } from '../resources/fields.ts'
import { Refusal } from '../resources/problem.ts'
import { field } from '../resources/schema.ts'
import { path } from './path.ts'

export type DatastoreConfig = DatastoreSettings

const endpoint = () =>
  field('endpoint', value => {
    if (typeof value === 'string' && /^(https?:\/\/[^\s/]+:\d+|unix:\/\S+)$/.test(value)) return value
    return new Refusal(
      'is not an endpoint of etcd',
      'It has a scheme, a host and a port.',
      'Write it like https://10.0.0.11:2379.',
    )
  })

const prefix = () =>
  field('prefix', value => {
    if (typeof value === 'string' && /^(\/[\w.-]+)+$/.test(value)) return value
    return new Refusal('is not a prefix of keys', 'All keys of the cluster are below it.', 'Write it like /margay.')
  })

const variable = () =>
  field('variable', value => {
    if (typeof value === 'string' && /^[A-Za-z_]\w*$/.test(value)) return value
    return new Refusal(
      'is not a variable of the environment',
      'The password is what it holds.',
      'Write its name, like ETCD_PASSWORD.',
    )
  })

export const datastoreSchema = v.strictObject({
  /** `embedded`: one SQLite file for the daemons of one machine. */
  type: v.optional(choice('embedded', 'etcd'), 'embedded'),
  /** Of `embedded`. */
  path: v.optional(path(), '/var/lib/margay/cluster.db'),
  /** What follows: of `etcd`. */
  endpoints: v.optional(v.array(endpoint()), []),
  prefix: v.optional(prefix(), '/margay'),
  pageSize: v.optional(integer('number', 1, 10_000, 'So many records come in one answer.'), 500),
  timeout: v.optional(integer('seconds', 1, 60, 'So long a call may take.'), 5),
  tls: v.optional(v.strictObject({ ca: v.optional(path()), cert: v.optional(path()), key: v.optional(path()) })),
  auth: v.optional(
    v.strictObject({ username: line(), passwordFile: v.optional(path()), passwordEnv: v.optional(variable()) }),
  ),
})

/** What stands in the file, with paths made absolute from `folder`; or a sentence that says what does not fit together. */
export function readDatastore(given: v.InferOutput<typeof datastoreSchema>, folder: string): DatastoreConfig | string {
  const beside = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path))
  const { endpoints, tls, auth } = given
  if (given.type === 'embedded') {
    if (endpoints.length > 0 || tls || auth)
      return 'datastore has settings of etcd, but its type is embedded. Write type: etcd, or remove endpoints, tls and auth.'
    return { type: 'embedded', path: resolve(folder, given.path) }
  }
  if (endpoints.length === 0)
    return 'datastore.endpoints is missing. Name the members of etcd: endpoints: [https://10.0.0.11:2379].'
  if (new Set(endpoints.map(each => each.startsWith('https:'))).size > 1)
    return 'datastore.endpoints are some with TLS and some without. Write https: for all of them, or for none.'
  if (tls && !endpoints[0]?.startsWith('https:'))
    return 'datastore.tls is set, but the endpoints speak no TLS. Write https: in datastore.endpoints.'
  if ((tls?.cert === undefined) !== (tls?.key === undefined))
    return 'datastore.tls has only one of cert and key. A client certificate needs both.'
  if (auth && (auth.passwordFile === undefined) === (auth.passwordEnv === undefined))
    return 'datastore.auth needs one of passwordFile and passwordEnv, which say where the password is.'
  return {
    type: 'etcd',
    endpoints,
    prefix: given.prefix,
    pageSize: given.pageSize,
    timeout: given.timeout * 1000,
    tls: tls && { ca: beside(tls.ca), cert: beside(tls.cert), key: beside(tls.key) },
    auth: auth && { ...auth, passwordFile: beside(auth.passwordFile) },
  }
}
