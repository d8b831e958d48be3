// What every command has at hand: the options before the verb, the daemon's file, the daemon, the datastore.

import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { ApiError, call } from '../api/client.ts'
import { type DaemonConfig, defaultConfigFile, parseConfig, loadConfig } from '../api/config.ts'
import type { Api, Path } from '../api/contract.ts'
import { type ClusterStore, StoreError } from '../datastore/contract.ts'
import { openDatastore } from '../datastore/index.ts'
import { CommandError, type Format } from './output.ts'

export interface Context {
  /** `-o`. */
  readonly format: () => Format
  /** The file of `--config`, of MARGAY_CONFIG, or the default one. */
  readonly config: () => DaemonConfig
  /** The cluster's datastore; the caller closes it. `create`: begin one if there is none. */
  readonly datastore: (options: { readonly create: boolean }) => Promise<ClusterStore>
}

export function createContext(options: () => { readonly config?: string; readonly output: Format }): Context {
  const config = (): DaemonConfig => {
    const named = options().config ?? process.env['MARGAY_CONFIG']
    if (named !== undefined) return loadConfig(named, hostname())
    return existsSync(defaultConfigFile)
      ? loadConfig(defaultConfigFile, hostname())
      : parseConfig('', defaultConfigFile, hostname())
  }
  return {
    format: () => options().output,
    config,
    datastore: options => openDatastore(config().datastore, options),
  }
}

/** Asks this node's daemon. What it refuses ends the command with its sentence. */
export async function ask<P extends Path>(
  context: Context,
  path: P,
  query: Api[P]['query'],
): Promise<Api[P]['answer']> {
  try {
    return await call(context.config().api.socket, path, query)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw new CommandError(error.status === 404 ? 3 : error.status === 400 ? 2 : 1, error.message)
  }
}

/** The datastore for as long as `use` takes. What it refuses ends the command with its sentence. */
export async function withDatastore(
  context: Context,
  use: (store: ClusterStore) => Promise<void>,
  { create = false } = {},
): Promise<void> {
  const store = await context.datastore({ create })
  try {
    await use(store)
  } catch (error) {
    if (error instanceof StoreError) throw new CommandError(error.code === 'not-found' ? 3 : 1, error.message)
    throw error
  } finally {
    await store.close()
  }
}
