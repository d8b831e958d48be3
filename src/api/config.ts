// The daemon's file, /etc/margay/margayd.yaml: what belongs to one node's process and not to the cluster. margayctl reads the same file
// to find the datastore and the socket.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import { parse } from 'yaml'

export const defaultConfigFile = '/etc/margay/margayd.yaml'

const path = v.pipe(v.string(), v.nonEmpty())

const schema = v.strictObject({
  /** Which Node resource is this machine. Default: the host name. */
  node: v.optional(v.strictObject({ name: v.string() })),
  datastore: v.optional(v.strictObject({ type: v.literal('embedded'), path }), {
    type: 'embedded',
    path: '/var/lib/margay/cluster.db',
  }),
  /** Folder of what this node alone must remember: addresses given, endpoints, the checkpoint. */
  stateDir: v.optional(path, '/var/lib/margay'),
  dataplane: v.optional(
    v.strictObject({
      /** rtm_protocol that marks our routes (Linux keeps 0–4; 80 is Calico's). */
      routeProtocol: v.optional(v.pipe(v.number(), v.integer(), v.minValue(5), v.maxValue(255)), 81),
    }),
    {},
  ),
  cni: v.optional(
    v.strictObject({
      socket: v.optional(path, '/run/margay/cni.sock'),
      /** Where the CNI executable leaves a DEL while the daemon is down. */
      spoolDir: v.optional(path, '/var/lib/margay/cni-spool'),
    }),
    {},
  ),
  api: v.optional(v.strictObject({ socket: v.optional(path, '/run/margay/api.sock') }), {}),
  log: v.optional(
    v.strictObject({
      level: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
      format: v.optional(v.picklist(['text', 'json']), 'text'),
    }),
    {},
  ),
})

export type DaemonConfig = Omit<v.InferOutput<typeof schema>, 'node'> & { readonly node: { readonly name: string } }

/** The file cannot be used; `message` says why and what to do. */
export class ConfigError extends Error {}

/** Reads a file; paths in it are relative to it. Throws `ConfigError`. */
export function loadConfig(file: string, hostName: string): DaemonConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}): write one as docs/configuration.md shows, or name another with --config FILE`,
    )
  }
  return parseConfig(text, file, hostName)
}

export function parseConfig(text: string, file: string, hostName: string): DaemonConfig {
  const parsed = v.safeParse(schema, parse(text) ?? {})
  if (!parsed.success) {
    const issue = parsed.issues[0]
    throw new ConfigError(`${file}: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`)
  }
  const config = parsed.output
  const beside = (path: string): string => resolve(dirname(file), path)
  return {
    ...config,
    node: { name: config.node?.name ?? hostName },
    datastore: { ...config.datastore, path: beside(config.datastore.path) },
    stateDir: beside(config.stateDir),
    cni: { socket: beside(config.cni.socket), spoolDir: beside(config.cni.spoolDir) },
    api: { socket: beside(config.api.socket) },
  }
}
