// Certificates and passwords, read from where the settings say. They are rotated by replacing files: whoever uses them asks again
// before a call, which costs a stat per file and second.

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { StoreError } from '../contract.ts'
import type { EtcdSettings } from './settings.ts'

export interface Credentials {
  /** Changes with the contents; tells nothing about them. */
  readonly fingerprint: string
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
  readonly password: string | undefined
}

/** Throws a StoreError that names the file or variable. */
export function readCredentials(settings: EtcdSettings): Credentials {
  const { ca, cert, key } = settings.tls ?? {}
  const tls = {
    ca: ca === undefined ? undefined : read(ca, 'the certificate of etcd’s authority'),
    cert: cert === undefined ? undefined : read(cert, 'the client certificate'),
    key: key === undefined ? undefined : read(key, 'the key of the client certificate'),
  }
  const password = passwordOf(settings.auth)
  const hash = createHash('sha256')
  for (const part of [tls.ca, tls.cert, tls.key, password]) hash.update(part ?? '').update('\0')
  return { fingerprint: hash.digest('hex'), tls, password }
}

/** A file of credentials that holds something else. The message names it, without a full stop. */
export class UnusableFile extends Error {}

/** Throws an UnusableFile. Whether key and certificate belong together shows when they are used: they are replaced one by one. */
export function checkFiles(settings: EtcdSettings, { tls }: Credentials): void {
  const files: readonly (readonly [keyof Credentials['tls'], string, (pem: Buffer) => unknown])[] = [
    ['ca', 'certificate in PEM', pem => new X509Certificate(pem)],
    ['cert', 'certificate in PEM', pem => new X509Certificate(pem)],
    ['key', 'private key in PEM without a passphrase', pem => createPrivateKey(pem)],
  ]
  for (const [which, what, parse] of files) {
    const pem = tls[which]
    if (pem === undefined) continue
    try {
      parse(pem)
    } catch (error) {
      throw new UnusableFile(
        `${settings.tls?.[which]}, datastore.tls.${which}, holds no ${what}: put the right file there`,
        { cause: error },
      )
    }
  }
}

/** As whom etcd takes this node: by its password, else by the CN of its certificate, if it has either. */
export function userOf({ auth }: EtcdSettings, credentials: Credentials | undefined): string | undefined {
  if (auth || credentials?.tls.cert === undefined) return auth?.username
  return new X509Certificate(credentials.tls.cert).toLegacyObject().subject.CN?.toString()
}

function passwordOf(auth: EtcdSettings['auth']): string | undefined {
  if (!auth) return undefined
  if (auth.passwordFile !== undefined)
    return read(auth.passwordFile, `the password of etcd user ${auth.username}`).toString('utf8').trimEnd()
  const password = auth.passwordEnv === undefined ? undefined : process.env[auth.passwordEnv]
  if (password === undefined)
    throw new StoreError(
      'unauthorised',
      `The password of etcd user ${auth.username} is not in the environment: set ${auth.passwordEnv ?? 'a variable'}, or name a file with datastore.auth.passwordFile.`,
    )
  return password
}

function read(file: string, what: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new StoreError(
      'unauthorised',
      `${file}, ${what}, cannot be read (${(error as NodeJS.ErrnoException).code}): put it there, or correct the datastore section of margayd.yaml.`,
    )
  }
}
