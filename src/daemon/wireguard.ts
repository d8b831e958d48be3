// This node's WireGuard key: made here, kept in a file that only root reads, and its public half published in the Node.
//
// The key is made when a device stands that needs one, so a node whose kernel has no WireGuard publishes none. The Node is compared
// with it whenever it changes: whoever takes the key out, or writes another one, finds it put right.
//
// A rotation puts the new key into the device first and publishes it then. The kernel takes what comes under session keys of the old
// one all the while, and holds back up to 128 packets for each node until that node has heard of the new key and answers. Published
// first, the others would call a key that nobody here has, and try again only 5 s later.

import { randomUUID } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Datastore, StoreError } from '../datastore/contract.ts'
import { WireguardKey } from '../model/wireguard.ts'
import { type NodeResource, parseResource } from '../resources/index.ts'
import { Later } from './later.ts'
import type { Log } from './log.ts'

export interface WireguardPorts {
  readonly node: string
  /** Where the private key is kept. */
  readonly file: string
  readonly datastore: Pick<Datastore, 'get' | 'update'>
  readonly log: Log
  /** Puts the key in force on the devices. */
  readonly apply: () => Promise<void>
  /** It is time to look again. */
  readonly onDue: () => void
}

/** A rotation that cannot be; the sentence says why. */
export class RotationRefused extends Error {}

/** After a datastore that could not be written. Milliseconds. */
const retryAfter = 2_000
/** How often somebody else may be faster with the Node before that is a failure. */
const attempts = 20

export class WireguardKeys {
  readonly #ports: WireguardPorts
  #key: WireguardKey | undefined
  #isUsed = false
  #canWrite = false
  #isBusy = false
  #fault: string | undefined
  /** There is a file, so another key is not made over it. */
  #isUnreadable = false
  #unwritten: string | undefined
  readonly #later: Later
  #isClosed = false

  constructor(ports: WireguardPorts) {
    this.#ports = ports
    this.#later = new Later(ports.onDue)
  }

  get key(): WireguardKey | undefined {
    return this.#key
  }

  /** Why there is no key. */
  get fault(): string | undefined {
    return this.#fault
  }

  get problems(): readonly string[] {
    return this.#unwritten === undefined ? [] : [this.#unwritten]
  }

  /** Reads the key of an earlier run. */
  async load(): Promise<void> {
    const { file } = this.#ports
    try {
      this.#key = WireguardKey.parse(await readFile(file, 'utf8'))
      if (!this.#key)
        this.#fault = `${file} does not hold a WireGuard key: put back what was there, or remove it and start margayd again, then the node makes a new one`
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT')
        this.#fault = `${file}, this node's WireGuard key, cannot be read (${code}): see to its permissions and start margayd again`
    }
    this.#isUnreadable = this.#fault !== undefined
  }

  /** Makes this node's first key, if it has none. */
  async make(): Promise<void> {
    if (this.#key || this.#isUnreadable) return
    const { file, log } = this.#ports
    const key = WireguardKey.generate()
    try {
      await keep(file, key)
    } catch (error) {
      this.#fault = `${file}: this node's WireGuard key could not be kept there (${textOf(error)}), so it has none; tried again when something changes`
      return
    }
    this.#fault = undefined
    this.#key = key
    log.info('WireGuard key made', { publicKey: key.publicKey })
  }

  /** Compares the Node with the key. `isUsed`: a device has it. `canWrite`: the datastore is in sync. */
  look(node: NodeResource | undefined, isUsed: boolean, canWrite: boolean): void {
    this.#isUsed = isUsed
    this.#canWrite = canWrite
    const publicKey = this.#key?.publicKey
    if (!isUsed || !canWrite || this.#isBusy || !node || node.spec.wireguard?.publicKey === publicKey) return
    this.#isBusy = true
    this.#publish()
      .then(
        () => (this.#unwritten = undefined),
        (error: unknown) => {
          this.#unwritten = `node "${this.#ports.node}": its WireGuard key is not in its Node yet, so others send nothing to its pods: ${textOf(error)}`
          if (this.#isClosed) return
          this.#later.in(retryAfter)
        },
      )
      .finally(() => (this.#isBusy = false))
  }

  /** Returns the new public key. Rejects with `RotationRefused`, and the old key is in force as before. */
  async rotate(): Promise<string> {
    const { log, node } = this.#ports
    const before = this.#key
    if (!before || !this.#isUsed)
      throw new RotationRefused(
        `node "${node}" has no WireGuard device, so there is no key to rotate: margayctl status`,
      )
    if (!this.#canWrite)
      throw new RotationRefused(
        `node "${node}": the datastore is away, and others could not hear of a new WireGuard key: try again when it is back`,
      )
    if (this.#isBusy) throw new RotationRefused(`node "${node}": its WireGuard key is just being published: try again`)
    this.#isBusy = true
    try {
      const key = WireguardKey.generate()
      await this.#use(key)
      try {
        await this.#publish()
      } catch (error) {
        await this.#use(before)
        throw new RotationRefused(
          `node "${node}": the new WireGuard key could not be published (${textOf(error)}), so the old one is in force again: try again`,
        )
      }
      log.info('WireGuard key rotated', { publicKey: key.publicKey, before: before.publicKey })
      return key.publicKey
    } finally {
      this.#isBusy = false
    }
  }

  close(): void {
    this.#isClosed = true
    this.#later.cancel()
  }

  async #use(key: WireguardKey): Promise<void> {
    await keep(this.#ports.file, key)
    this.#key = key
    await this.#ports.apply()
  }

  async #publish(): Promise<void> {
    const { datastore, node } = this.#ports
    for (let left = attempts; left > 0; left--) {
      const entry = await datastore.get('Node', node)
      const parsed = entry && parseResource(entry.value)
      if (!entry || !parsed?.ok || parsed.resource.kind !== 'Node' || !this.#key)
        throw new Error(`there is no Node "${node}" in the datastore that can be read`)
      const { resource } = parsed
      const { publicKey } = this.#key
      if (resource.spec.wireguard?.publicKey === publicKey) return
      try {
        const value = { ...resource, spec: { ...resource.spec, wireguard: { publicKey } } }
        await datastore.update('Node', node, value, entry.version)
        return
      } catch (error) {
        if (!(error instanceof StoreError && error.code === 'conflict') || left === 1) throw error
      }
    }
  }
}

/** Durable, whole, and for root only, before it is used. */
async function keep(file: string, key: WireguardKey): Promise<void> {
  const fresh = `${file}.${randomUUID()}`
  const handle = await open(fresh, 'wx', 0o600)
  try {
    await handle.writeFile(`${Buffer.from(key.privateOctets()).toString('base64')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(fresh, file)
  const folder = await open(dirname(file))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
