// Certificates for a test, by openssl.

import { execFileSync } from 'node:child_process'
import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** An authority `NAME.pem`, and a certificate `NAME-node.pem` of its own with which to serve and to call. */
export function makeAuthority(folder: string, name: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  const node = `${name}-node`
  openssl('req', ...key.slice(0, -2), '-subj', `/CN=${node}`, '-keyout', `${node}.key`, '-out', `${node}.csr`)
  writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
  const signed = ['-CA', `${name}.pem`, '-CAkey', `${name}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'ext']
  openssl('x509', '-req', '-in', `${node}.csr`, ...signed, '-out', `${node}.pem`)
}

/** Files of two authorities, of which one, `right`, is that of a cluster: a member may serve with them, and a client call. */
export function twoAuthorities(folder: string) {
  for (const name of ['right', 'wrong']) makeAuthority(folder, name)
  const at = (name: string): string => join(folder, name)
  return { at, right: { ca: at('right.pem'), cert: at('right-node.pem'), key: at('right-node.key') } }
}

/** A certificate of the authority's for NAME-node whose time is over: old.pem. */
export function makeOld(folder: string, name: string): void {
  const settings = [
    'database=index',
    'serial=serial',
    'new_certs_dir=.',
    'default_md=sha256',
    'policy=who',
    'x509_extensions=use',
  ]
  const rest = ['[who]', 'commonName=supplied', '[use]', 'extendedKeyUsage=clientAuth', '']
  writeFileSync(join(folder, 'ca.cnf'), ['[ca]', 'default_ca=own', '[own]', ...settings, ...rest].join('\n'))
  writeFileSync(join(folder, 'index'), '')
  const dates = ['-startdate', '20240101000000Z', '-enddate', '20250106000000Z']
  const by = ['-cert', `${name}.pem`, '-keyfile', `${name}.key`, '-in', `${name}-node.csr`, '-rand_serial']
  const args = ['ca', '-batch', '-notext', '-config', 'ca.cnf', ...by, ...dates, '-out', 'old.pem']
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
}

/** Puts other contents in the place of a file, as who rotates certificates does it. */
export function replace(file: string, by: string): void {
  copyFileSync(by, `${file}.new`)
  renameSync(`${file}.new`, file)
}
