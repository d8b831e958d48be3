// What etcd and gRPC say, as the contract's errors.
//
// etcd3 turns what it knows into classes of its own and leaves the rest as text, so both are looked at. A fault that may pass is
// tried again, at the next endpoint: nothing is known then about whether a write was done, which is why writes are made so that
// they can be repeated (datastore.ts).

import { StoreError, type StoreErrorCode } from '../contract.ts'
import { UnusableFile } from './credentials.ts'

export interface Fault {
  readonly code: StoreErrorCode
  /** Another try, or another member, may succeed. */
  readonly passes: boolean
  /** Nobody listens there: soon is as good as late. */
  readonly refused?: boolean
  /** Nothing is known but that an endpoint does not answer: which one, and what was said of it. */
  readonly silent?: { readonly where: string; readonly said: string }
  /** It says what to put right, which a later try that merely has no time left does not. */
  readonly isExplained?: boolean
  readonly reason: string
}

/** The revision that was asked for is gone: read anew. */
export class Compacted extends Error {}

/** Whose call it was. */
export interface Caller {
  /** As etcd knows the user. Undefined: whoever calls has no name. */
  readonly user?: string
  /** What is wrong with certificates, by its files, which the words of TLS do not tell: a sentence without a full stop. */
  readonly tlsCause?: (said: string) => string | undefined
  /** All keys are below it. */
  readonly prefix?: string
}

const notAllowed = ({ user, prefix = 'PREFIX' }: Caller): string =>
  `${user === undefined ? 'this user' : `user ${user}`} of etcd may not do that: grant its role readwrite: etcdctl role grant-permission ROLE readwrite ${prefix}/ --prefix (its roles: etcdctl user get ${user ?? 'USER'}; if etcd has no such user: etcdctl user add ${user ?? 'USER'} --no-password for one that comes with a certificate, then etcdctl user grant-role)`

/** As soon as all endpoints say that it will not do: a file that is put right is read at the next call. */
const noAgreement = { code: 'unauthorised', passes: true, refused: true } as const

const checkAll = 'no agreement on certificates: check datastore.tls and http or https in datastore.endpoints'

const table: readonly (readonly [
  pattern: RegExp,
  fault: Omit<Fault, 'reason'>,
  next?: string | ((caller: Caller) => string),
])[] = [
  [
    /database space exceeded|NOSPACE/i,
    { code: 'unreachable', passes: false },
    'etcd takes no writes: its quota is used up (alarm NOSPACE). Compact and defragment it, or raise --quota-backend-bytes, then: etcdctl alarm disarm',
  ],
  [
    /invalid user ID or password|authentication failed/i,
    { code: 'unauthorised', passes: false },
    'etcd does not know this user with this password: correct datastore.auth and the password it names',
  ],
  [/permission denied|PermissionDenied/i, { code: 'unauthorised', passes: false }, notAllowed],
  [
    /user name is empty|user name not found/i,
    { code: 'unauthorised', passes: false },
    'etcd wants a user: set datastore.auth',
  ],
  [
    /authentication is not enabled/i,
    { code: 'unauthorised', passes: false },
    'etcd has no users: remove datastore.auth from margayd.yaml, or begin with users: etcdctl auth enable',
  ],
  [
    /self.signed certificate|unable to (get|verify)|certificate|alert|SSL routines|wrong version number|disconnected before secure TLS/i,
    noAgreement,
    checkAll,
  ],
  [/invalid auth token|revision in header is old|Unauthenticated/i, { code: 'unauthorised', passes: true }],
]

/** `where`: the endpoint. */
export function faultOf(error: unknown, where: string, caller: () => Caller = () => ({})): Fault {
  // A sentence of ours: who passes it on ends it.
  if (error instanceof StoreError) return { code: error.code, passes: false, reason: error.message.replace(/\.$/, '') }
  // The file may be half written.
  if (error instanceof UnusableFile)
    return { code: 'unauthorised', passes: true, refused: true, isExplained: true, reason: error.message }
  const text = error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error)
  const said = plain(text)
  const found = table.find(([pattern]) => pattern.test(text))
  if (found) {
    const [, fault, next] = found
    if (next === undefined) return { ...fault, reason: said }
    const cause = fault === noAgreement ? caller().tlsCause?.(text) : undefined
    const reason = cause ?? `${typeof next === 'string' ? next : next(caller())} (${where}: ${said})`
    return { ...fault, isExplained: true, reason }
  }
  const refused = /No connection established|ECONNREFUSED/.test(text)
  const isPerhapsTls = where.startsWith('http:') && /No connection established/.test(text) && !/ECONN/.test(text)
  const reason = `etcd at ${where} does not answer: ${said}; ${hint}${isPerhapsTls ? ', and if it speaks TLS, write https://' : ''}`
  return { code: 'unreachable', passes: true, refused, silent: { where, said }, reason }
}

const hint = 'check that it runs and can be reached'

/** The last word on a call: `last` ended it, `all` are what the endpoints said last, one each. */
export function ofAll(last: Fault, all: readonly Fault[]): string {
  const silent = all.flatMap(fault => fault.silent ?? [])
  if (!last.silent || silent.length < 2) return last.reason
  return `etcd does not answer at any of ${silent.map(({ where, said }) => `${where} (${said})`).join(', ')}; ${hint}`
}

export function isCompacted(error: unknown): boolean {
  return error instanceof Compacted || (error instanceof Error && error.message.includes('has been compacted'))
}

/** Without the wrapping of gRPC and OpenSSL. */
function plain(text: string): string {
  return text
    .replace(/^\w+: /, '')
    .replace(/^\w*Error: /, '')
    .replace(/^\d+ [A-Z_]+: /, '')
    .replaceAll(/\s+/g, ' ')
    .replace(/\. Resolution note:\s*$/, '')
    .replace(/\. Last error: null$/, '')
    .replace(/(?:[\dA-F]{8,}:)?error:[\dA-F]{8}:[^:]*:[^:]*:([^:(]*)(?::\S+:\d+:SSL alert number \d+)?/, '$1')
    .replace(/; if the root CA is installed locally, try running Node\.js with --use-system-ca/, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, '')
    .replace(/^Deadline exceeded after ([\d.]+)s.*/, 'nothing came within $1 s')
    .slice(0, 300)
}
