// WireGuard between nodes: keys, and what a node has to know of another one.

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

/** Another node, as a peer of a WireGuard device. */
export interface WireguardNode {
  readonly node: string
  /** Base64. */
  readonly publicKey: string
  /** Where its outer packets go. */
  readonly address: string
  /** Prefixes, sorted: what goes there is for this node, and only from there it may send. */
  readonly allowedIps: readonly string[]
}

/** Octets of a key (Curve25519, RFC 7748). */
const keyLength = 32

/** PKCS #8 (RFC 8410 §7) up to the private key itself. */
const pkcs8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** A node's private key. Whatever prints one, or makes JSON of it, gets the public key. */
export class WireguardKey {
  readonly publicKey: string
  readonly #octets: Uint8Array

  private constructor(octets: Uint8Array) {
    this.#octets = octets
    const key = createPrivateKey({ key: Buffer.concat([pkcs8, octets]), format: 'der', type: 'pkcs8' })
    const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
    this.publicKey = Buffer.from(x, 'base64url').toString('base64')
  }

  static generate(): WireguardKey {
    return new WireguardKey(clamped(randomBytes(keyLength)))
  }

  /** Of the text of `wg genkey`; undefined: it is no key. */
  static parse(text: string): WireguardKey | undefined {
    return isWireguardKey(text.trim()) ? new WireguardKey(clamped(Buffer.from(text, 'base64'))) : undefined
  }

  /** For the kernel and for the file that keeps it, nobody else. */
  privateOctets(): Uint8Array {
    return this.#octets
  }

  toJSON(): { readonly publicKey: string } {
    return { publicKey: this.publicKey }
  }

  [inspect.custom](): string {
    return `WireguardKey ${this.publicKey}`
  }
}

/** 32 octets in canonical base64, as `wg` prints and takes keys. */
export function isWireguardKey(text: string): boolean {
  const octets = Buffer.from(text, 'base64')
  return octets.length === keyLength && octets.toString('base64') === text
}

/** RFC 7748 §5. */
function clamped(octets: Uint8Array): Uint8Array {
  const key = Uint8Array.from(octets)
  key[0] &= 0xf8
  key[31] = (key[31] & 0x7f) | 0x40
  return key
}

/** UDP, as Calico has them. */
export function wireguardPort(family: 4 | 6): number {
  return family === 4 ? 51820 : 51821
}
