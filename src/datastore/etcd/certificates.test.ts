// What TLS says, held against this node's files. That real members say so: access.test.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tlsCause } from './certificates.ts'
import { makeAuthority, makeOld } from './testing-certificates.ts'

const where = 'https://10.0.0.1:2379'
const day = 86_400_000

t.test('whose certificate it is, which file, what is wrong, and the next step', t => {
  const folder = t.testdir()
  makeAuthority(folder, 'right')
  makeOld(folder, 'right')
  const read = (name: string) => readFileSync(join(folder, name))
  const [ca, cert, key] = ['right.pem', 'right-node.pem', 'right-node.key'].map(read)
  const tls = { ca: '/ca.pem', cert: '/node.pem', key: '/node.key' }
  const settings = { endpoints: [where], prefix: '/margay', pageSize: 1, timeout: 1, tls }
  const credentials = { fingerprint: '', tls: { ca, cert, key }, password: undefined }
  const now = Date.now()
  const alert = 'No connection established. Last error: 40C364:error:0A000412:SSL routines:ssl3_read_bytes:'
  for (const { said, cause, as = {}, at = now } of [
    {
      said: 'Error: certificate has expired. Resolution note: ',
      cause: `the certificate that etcd at ${where} shows (its dates: openssl s_client -connect 10.0.0.1:2379 `,
    },
    { said: 'Error: certificate has expired', at: now + 9 * day, cause: '/ca.pem, datastore.tls.ca, has expired at ' },
    { said: 'unable to verify the first certificate', at: now + 9 * day, cause: '/ca.pem, datastore.tls.ca, has exp' },
    {
      said: 'certificate is not yet valid',
      at: now - 9 * day,
      cause: '/ca.pem, datastore.tls.ca, is not valid before ',
    },
    {
      said: 'self-signed certificate in certificate chain',
      as: { ca: Buffer.concat([ca, Buffer.from('\n'), ca]) },
      cause: '/ca.pem, datastore.tls.ca (right, right), has not signed the certificate that etcd at ',
    },
    {
      said: 'unable to get local issuer certificate',
      as: { ca: undefined },
      cause: `the certificate that etcd at ${where} shows is signed by no authority that this system trusts: name a file`,
    },
    {
      said: "Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list: 10.0.0.2. Resolution note: ",
      cause: `the certificate that etcd at ${where} shows is not for that host (it is for 10.0.0.2): write a host of `,
    },
    {
      said: `${alert}tlsv1 alert unknown ca:../deps/record/rec_layer_s3.c:918:SSL alert number 48`,
      cause: `/node.pem, datastore.tls.cert, is signed by right, and etcd at ${where} does not take it: put one there that `,
    },
    {
      said: `${alert}ssl/tls alert bad certificate`,
      as: { cert: read('old.pem') },
      cause: '/node.pem, datastore.tls.cert, has expired at Jan  6 00:00:00 2025 GMT, or ',
    },
    {
      said: 'Error: Client network socket disconnected before secure TLS connection was established',
      cause: `etcd at ${where} ends the connection before anything is agreed on: if it speaks no TLS, write http://`,
    },
    { said: `${alert}tlsv1 alert protocol version`, cause: 'undefined' },
  ]) {
    const of = { ...credentials, tls: { ...credentials.tls, ...as } }
    const told = String(tlsCause(said, { where, settings, credentials: of, now: at }))
    t.equal(told.slice(0, cause.length), cause, said)
    t.notMatch(told, /SSL routines|error:/)
  }
  t.end()
})
