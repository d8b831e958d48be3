import t from 'tap'
import { faultOf } from './errors.ts'

t.test('what etcd and gRPC say, in words that tell what to do', t => {
  const where = 'https://10.0.0.1:2379'
  for (const [said, reason] of [
    [
      '4 DEADLINE_EXCEEDED: Deadline exceeded after 4.988s,name resolution: 0.041s,metadata filters: 0.005s,Waiting for LB pick',
      `etcd at ${where} does not answer: nothing came within 4.988 s; check that it runs`,
    ],
    [
      '14 UNAVAILABLE: No connection established. Last error: null. Resolution note: ',
      `etcd at ${where} does not answer: No connection established; check that it runs`,
    ],
    ['9 FAILED_PRECONDITION: etcdserver: authentication is not enabled', 'etcd has no users: remove datastore.auth'],
    [
      '7 PERMISSION_DENIED: etcdserver: permission denied',
      'this user of etcd may not do that: grant its role readwrite',
    ],
    [
      '14 UNAVAILABLE: No connection established. Last error: 40C364B18F7F0000:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 70 (2026-11-28T22:36:23.388Z). Resolution note: ',
      `no agreement on certificates: check datastore.tls and http or https in datastore.endpoints (${where}: No connection established. Last error: tlsv1 alert protocol version)`,
    ],
  ])
    t.equal(faultOf(new Error(said), where).reason.slice(0, reason.length), reason)
  t.match(
    faultOf(new Error('14 UNAVAILABLE: No connection established. Last error: null.'), 'http://10.0.0.1:2379').reason,
    /check that it runs and can be reached, and if it speaks TLS, write https:/,
  )
  t.match(
    faultOf(new Error('7 PERMISSION_DENIED: etcdserver: permission denied'), where, () => ({ user: 'n1' })).reason,
    /if etcd has no such user: etcdctl user add n1 --no-password/,
  )
  t.end()
})
