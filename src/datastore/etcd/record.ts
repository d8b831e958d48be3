// Keys and values in etcd: `PREFIX/KIND/NAME`, and JSON in an envelope with the version of its layout.

import type { IKeyValue } from 'etcd3'
import { randomBytes } from 'node:crypto'
import type { Entry } from '../contract.ts'
import { layout, opened, readEnvelope } from '../envelope.ts'

/** Signs of life stand beside the records, under names that no kind has. */
export const signKinds = { alive: '~alive', seen: '~seen' } as const

/** Of a key that is never written. */
export const tryKind = '~try'

export class Keys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  of(kind: string, name: string): Buffer {
    return Buffer.from(`${this.#prefix}/${kind}/${name}`)
  }

  /** All records of the cluster; what is no record begins with `~`. */
  get all(): { readonly key: Buffer; readonly range_end: Buffer } {
    return { key: Buffer.from(`${this.#prefix}/`), range_end: Buffer.from(`${this.#prefix}/~`) }
  }

  /** All names of a kind, or those after one. */
  range(kind: string, after?: string): { readonly key: Buffer; readonly range_end: Buffer } {
    return {
      key: after === undefined ? this.of(kind, '') : Buffer.concat([this.of(kind, after), Buffer.from([0])]),
      range_end: Buffer.from(`${this.#prefix}/${kind}0`), // '0' follows '/'
    }
  }

  parse(key: Buffer): { readonly kind: string; readonly name: string } {
    const text = key.toString('utf8').slice(this.#prefix.length + 1)
    const slash = text.indexOf('/')
    // A key without a name is none of ours.
    return slash < 0 ? { kind: text, name: '' } : { kind: text.slice(0, slash), name: text.slice(slash + 1) }
  }

  entry(kv: IKeyValue): Entry {
    return opened(this.parse(kv.key), textOf(kv), kv.mod_revision)
  }
}

export const newWrite = (): string => randomBytes(9).toString('base64url')

/** `write`: a random word, so that a write that is repeated recognises itself. */
export function wrap(value: unknown, write: string): Buffer {
  return Buffer.from(JSON.stringify({ layout, write, value: value ?? null }))
}

export function isFrom(kv: IKeyValue, write: string): boolean {
  return readEnvelope(textOf(kv))?.write === write
}

function textOf(kv: IKeyValue): string {
  return kv.value.toString('utf8')
}
