// Why two sides do not agree on certificates, in words that name the file and what to do. OpenSSL says neither whose certificate it means
// nor where that comes from, and a member only that it does not take ours; so what it said is held against this node's own files.

import { X509Certificate } from 'node:crypto'
import type { Credentials } from './credentials.ts'
import type { EtcdSettings } from './settings.ts'

export interface Handshake {
  /** The endpoint. */
  readonly where: string
  readonly settings: EtcdSettings
  readonly credentials: Credentials | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

type Cause = (handshake: Handshake, said: string) => string | undefined

/** By what was said: the first one that fits. */
const causes: readonly (readonly [pattern: RegExp, cause: Cause])[] = [
  [/key values mismatch/i, ofKey],
  [
    /alert (?:bad certificate|unsupported certificate|certificate (?:revoked|expired|unknown|required)|unknown ca|access denied)/i,
    ofRefusal,
  ],
  [/does not match certificate's altnames/i, ofName],
  [/certificate is not yet valid/i, ofEarly],
  [/certificate has expired/i, ofExpired],
  [/self.signed certificate|unable to (get|verify)|certificate signature failure/i, ofAuthority],
  [/wrong version number|disconnected before secure TLS/i, ofNoTls],
]

/** A sentence without a full stop; undefined: nothing is known but what was said. */
export function tlsCause(said: string, handshake: Handshake): string | undefined {
  return causes.find(([pattern]) => pattern.test(said))?.[1](handshake, said)
}

const readAgain = 'files are read again when they change'
/** OID of a use of a certificate: to call. */
const clientAuth = '1.3.6.1.5.5.7.3.2'

function ofKey({ settings: { tls } }: Handshake): string {
  return `${tls?.key}, datastore.tls.key, is not the key of ${tls?.cert}, datastore.tls.cert: put there what belongs together; ${readAgain}`
}

function ofName({ where }: Handshake, said: string): string {
  const [, names = ''] =
    /is not (?:in the cert's (?:list|altnames)|cert's CN): (.*?)(?:\. Resolution note:.*)?$/.exec(said) ?? []
  const whose = names.trim() === '' ? 'no address stands in it' : `it is for ${names.trim()}`
  return `the certificate that etcd at ${where} shows is not for that host (${whose}): write a host of its subjectAltName into datastore.endpoints, or give that member one for ${new URL(where).hostname}`
}

function ofEarly(handshake: Handshake): string {
  const { where } = handshake
  return (
    authorityOutdated(handshake) ??
    `the certificate that etcd at ${where} shows (${datesOf(where)}) is not valid yet: set this machine's clock, or that of the machine that signed it`
  )
}

function ofExpired(handshake: Handshake): string {
  const { where } = handshake
  return (
    authorityOutdated(handshake) ??
    `the certificate that etcd at ${where} shows (${datesOf(where)}) has expired, or this machine's clock is ahead: renew it there, in the place of that member's --cert-file`
  )
}

function datesOf(where: string): string {
  return `its dates: openssl s_client -connect ${new URL(where).host} </dev/null | openssl x509 -noout -dates`
}

/** The certificate of a member does not lead to an authority that this node trusts. */
function ofAuthority(handshake: Handshake): string {
  const { where, settings, credentials } = handshake
  const ca = credentials?.tls.ca
  if (ca === undefined)
    return `the certificate that etcd at ${where} shows is signed by no authority that this system trusts: name a file with the certificate of etcd's authority in datastore.tls.ca`
  const names = certificatesIn(ca).map(({ subject }) => nameIn(subject))
  return (
    authorityOutdated(handshake) ??
    `${settings.tls?.ca}, datastore.tls.ca (${names.join(', ')}), has not signed the certificate that etcd at ${where} shows: put the certificate of etcd's authority there, with those between the two if there are any; ${readAgain}`
  )
}

/** A member does not take this node's certificate, and does not say why. */
function ofRefusal({ where, settings, credentials, now }: Handshake): string | undefined {
  const { ca, cert } = credentials?.tls ?? {}
  if (cert === undefined)
    return `etcd at ${where} wants to see a certificate of this node: name one in datastore.tls.cert, and its key in datastore.tls.key`
  const [own] = certificatesIn(cert)
  if (!own) return undefined
  const file = `${settings.tls?.cert}, datastore.tls.cert`
  const old = outdated(file, own, now)
  if (old !== undefined) return old
  const uses = own.keyUsage as readonly string[] | undefined // its type does not tell that there may be none
  if (uses && !uses.includes(clientAuth))
    return `${file}, is not for clients, so etcd at ${where} does not take it: put one there whose extendedKeyUsage has clientAuth; ${readAgain}`
  const authorities = ca === undefined ? [] : certificatesIn(ca)
  const isForeign =
    authorities.length > 0 && !authorities.some(each => own.checkIssued(each) && own.verify(each.publicKey))
  const signer = `${nameIn(own.issuer)}${isForeign ? ` and not by ${settings.tls?.ca}, datastore.tls.ca` : ''}`
  return `${file}, is signed by ${signer}, and etcd at ${where} does not take it: put one there that an authority in that member's --trusted-ca-file has signed; ${readAgain}`
}

function ofNoTls({ where }: Handshake): string {
  return `etcd at ${where} ends the connection before anything is agreed on: if it speaks no TLS, write http:// in datastore.endpoints; else its log says why`
}

/** All that the file of authorities holds. */
function authorityOutdated({ settings, credentials, now }: Handshake): string | undefined {
  const ca = credentials?.tls.ca
  const file = `${settings.tls?.ca}, datastore.tls.ca`
  const texts = ca === undefined ? [] : certificatesIn(ca).map(each => outdated(file, each, now))
  return texts.every(text => text !== undefined) ? texts[0] : undefined
}

/** Undefined: it is within its dates. */
function outdated(file: string, { validFrom, validTo }: X509Certificate, now: number): string | undefined {
  if (Date.parse(validTo) < now)
    return `${file}, has expired at ${validTo}, or this machine's clock is ahead: renew it; ${readAgain}`
  if (Date.parse(validFrom) > now)
    return `${file}, is not valid before ${validFrom}: set this machine's clock, or the one that signed it`
  return undefined
}

/** A file may hold several; one that holds none is told where it is read. */
function certificatesIn(pem: Buffer): readonly X509Certificate[] {
  const found = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? []
  return found.flatMap(text => {
    try {
      return new X509Certificate(text)
    } catch {
      return []
    }
  })
}

/** What people call it: its CN, if it has one. */
function nameIn(distinguished: string): string {
  return /^CN=(.*)$/m.exec(distinguished)?.[1] ?? distinguished.replaceAll('\n', ', ')
}
