// A program for tests: watches the Nodes of an etcd and prints what it hears, a line of JSON each. `node testing-watch.ts ENDPOINT`

import { openEtcdDatastore } from './datastore.ts'

const [, , endpoint = ''] = process.argv
const store = openEtcdDatastore({ endpoints: [endpoint], prefix: '/margay', pageSize: 2, timeout: 5_000 })
for await (const event of store.watch(['Node'], new AbortController().signal)) console.log(JSON.stringify(event))
