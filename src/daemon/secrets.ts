// Keys of sessions, read where the resources say: a file or a variable. They live in memory only, and in no log and no status.

import { readFileSync } from 'node:fs'
import type { SpeakerConfig } from '../../bgp/types.ts'
import type { SecretReference } from '../model/intent.ts'

export class Secrets {
  /** The keys read last, by reference: one that cannot be read any more stays in force. */
  readonly #known = new Map<string, string>()

  /** The configuration with its keys, and a sentence for each that is not there; such a peer is left out. */
  apply(
    config: SpeakerConfig,
    references: ReadonlyMap<string, SecretReference> = new Map(),
  ): { readonly config: SpeakerConfig; readonly problems: readonly string[] } {
    if (references.size === 0) return { config, problems: [] }
    const peers = new Map(config.peers)
    const problems: string[] = []
    for (const [name, reference] of references) {
      const peer = peers.get(name)
      if (!peer) continue
      const secret = this.#read(name, reference, problems)
      if (secret === undefined) peers.delete(name)
      else peers.set(name, { ...peer, secret })
    }
    return { config: { ...config, peers }, problems }
  }

  #read(name: string, { file, env }: SecretReference, problems: string[]): string | undefined {
    const place = file === undefined ? `variable ${env}` : `file ${file}`
    const known = this.#known.get(place)
    const meanwhile = known === undefined ? 'there is no session until then' : 'the key read before stays in force'
    try {
      const secret = (file === undefined ? process.env[env ?? ''] : readFileSync(file, 'utf8'))?.split(/\r?\n/)[0]
      const octets = Buffer.byteLength(secret ?? '')
      if (secret !== undefined && octets >= 1 && octets <= 80) {
        this.#known.set(place, secret)
        return secret
      }
      const what = secret === undefined ? 'is not set' : `holds ${octets} octets, and a key has 1 to 80`
      problems.push(`peer "${name}": ${place} of its password ${what}; correct it, ${meanwhile}.`)
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      problems.push(`peer "${name}": ${place} of its password cannot be read (${reason}); correct it, ${meanwhile}.`)
    }
    return known
  }
}
