// One CNI call: environment and stdin in, exit code and output out. All of CNI's meaning, no I/O of its own.
//
// On stdout there is the result of ADD or VERSION, or an error object, or nothing.

import { printable } from '../../src/resources/index.ts'
import type { AddRequest, Attachment, AttachmentKey, CniBackend } from './backend.ts'
import { readAddConfig, readAddresses, readMac } from './add-config.ts'
import type { AddConfig } from './add-config.ts'
import { readConfig, readJson, readPrevResult, readValidAttachments } from './config.ts'
import type { NetworkConfig } from './config.ts'
import { inArgs, oneValue, readArgs, readCommand, readNewTarget, readTarget, requireVariables } from './environment.ts'
import type { Environment } from './environment.ts'
import { CniError, code, errorObject } from './errors.ts'
import { writeResult } from './result.ts'
import type { CniResult, Dns } from './result.ts'
import { allow, type CniVersion, newestVersion, oldestVersion, versionResult } from './versions.ts'

export interface CniRequest {
  readonly env: Environment
  readonly stdin: string
}

export interface CniResponse {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** After an ADD: takes it back, for a caller who is gone before the answer. */
  readonly undo?: () => Promise<void>
}

/** DELs of before that nobody has done yet. */
export interface Owed {
  /** Does those of an attachment that is about to be made anew. Throws CniError if one cannot be done. */
  before(containerId: string, ifName: string): Promise<void>
}

const about = 'margay-cni: CNI plugin of Margay. Container runtimes call it; see the CNI specification.\n'

/** Never rejects. `signal` says that nobody waits for the answer any more; `owed`: DELs that an ADD has to come after. */
export async function handle(
  request: CniRequest,
  backend: CniBackend,
  signal: AbortSignal = new AbortController().signal,
  owed?: Owed,
): Promise<CniResponse> {
  if (!request.env.CNI_COMMAND) return { exitCode: 0, stdout: '', stderr: about }
  try {
    return await run(request, backend, signal, owed)
  } catch (error) {
    return { exitCode: 1, stdout: errorObject(answerVersion(request.stdin, oldestVersion), error), stderr: '' }
  }
}

async function run(
  { env, stdin }: CniRequest,
  backend: CniBackend,
  signal: AbortSignal,
  owed: Owed | undefined,
): Promise<CniResponse> {
  const command = readCommand(env)
  if (command === 'VERSION') return success(versionResult(answerVersion(stdin, newestVersion)))
  requireVariables(command, env)
  const config = readConfig(stdin)
  allow(command, config.version)
  if (command === 'ADD') return add(env, config, backend, signal, owed)
  await runSilent(command, env, config, backend)
  return success()
}

/** The commands that leave stdout empty. */
async function runSilent(
  command: 'DEL' | 'CHECK' | 'STATUS' | 'GC',
  env: Environment,
  config: NetworkConfig,
  backend: CniBackend,
): Promise<void> {
  switch (command) {
    case 'DEL':
      return backend.del({ network: config.network, ...readTarget(env) })
    case 'CHECK':
      return check(env, config, backend)
    case 'STATUS':
      return backend.status()
    case 'GC': {
      const valid = readValidAttachments(config)
      return valid && backend.gc(config.network, valid)
    }
  }
}

async function add(
  env: Environment,
  config: NetworkConfig,
  backend: CniBackend,
  signal: AbortSignal,
  owed: Owed | undefined,
): Promise<CniResponse> {
  const settings = readAddConfig(config)
  const prevResult = readPrevResult(config)
  const request = addRequest(env, config.network, settings)
  await requireContainer(request.netns, backend)
  if (prevResult?.interfaces.some(({ name, sandbox }) => name === request.ifName && sandbox))
    throw new CniError(
      code.attachmentExists,
      `Network configuration: a plugin before margay-cni in the chain has made ${request.ifName} in the container already.`,
      'Both attach the container: leave one of them out, or make two networks of them, each with an interface name of its own.',
    )
  await owed?.before(request.containerId, request.ifName)
  const attachment = await backend.add(request, signal)
  const key: AttachmentKey = { network: request.network, containerId: request.containerId, ifName: request.ifName }
  const undo = () => backend.del(key)
  if (signal.aborted) {
    await undo()
    throw new CniError(
      code.tryAgainLater,
      `ADD of ${key.containerId} was given up by the runtime; nothing of it is left.`,
    )
  }
  return { ...success(writeResult(resultOf(attachment, prevResult, settings.dns), config.version)), undo }
}

function addRequest(env: Environment, network: string, config: AddConfig): AddRequest {
  const { pools, routes, sysctls, mtu, sourceCheck } = config
  const args = readArgs(env)
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')]
  // Who writes the key means an address: without one, the pod would get any.
  const asked = [...new Set(readAddresses(args.get('IP')?.split(','), inArgs('IP')))]
  const second = asked.find((each, i) => asked.findIndex(other => isSix(other) === isSix(each)) !== i)
  if (second !== undefined) throw inArgs('IP')(second, 'is a second one of its family', oneValue)
  return {
    network,
    ...readNewTarget(env),
    netns: env.CNI_NETNS ?? '',
    label: namespace !== undefined && name !== undefined ? printable(`${namespace}/${name}`) : undefined,
    // nerdctl asks for IPv4 by the one and for IPv6 by the other.
    addresses: [...asked, ...config.addresses.filter(each => !asked.some(other => isSix(other) === isSix(each)))],
    pools,
    routes,
    sysctls,
    mac: readMac(args.get('MAC'), inArgs('MAC'), true) ?? config.mac,
    mtu,
    ...(sourceCheck === false && { sourceCheck }),
  }
}

const isSix = (address: string): boolean => address.includes(':')

async function requireContainer(netns: string, backend: CniBackend): Promise<void> {
  const shown = `CNI_NETNS ${JSON.stringify(netns)}`
  switch (await backend.namespaceKind(netns)) {
    case 'container':
      return
    case 'host':
      throw new CniError(
        code.hostNamespace,
        `${shown} is the namespace of the node itself.`,
        'A container on the host network needs no CNI.',
      )
    case 'missing':
      throw new CniError(code.invalidEnvironment, `${shown} does not exist.`, 'The container may have ended meanwhile.')
    case 'unreadable':
      throw new CniError(
        code.invalidEnvironment,
        `${shown} cannot be looked at.`,
        'margayd may not read it, or the path is too long or a loop of links: see ls -lL of it on the node.',
      )
    case 'other':
      throw new CniError(code.invalidEnvironment, `${shown} is no network namespace.`)
  }
}

/** Behind the interfaces and addresses of an earlier plugin in the chain, ours. */
function resultOf(
  { endpoint, hostMac, routes }: Attachment,
  prevResult: CniResult | undefined,
  dns: Dns | undefined,
): CniResult {
  const before = prevResult ?? { interfaces: [], ips: [], routes: [], dns: {} }
  const container = before.interfaces.length + 1
  return {
    interfaces: [
      ...before.interfaces,
      { name: endpoint.hostDevice, mac: hostMac },
      { name: endpoint.ifName, mac: endpoint.mac, mtu: endpoint.mtu, sandbox: endpoint.netns },
    ],
    ips: [
      ...before.ips,
      ...endpoint.addresses.map(address => ({
        address: `${address}/${address.includes(':') ? 128 : 32}`,
        interface: container,
      })),
    ],
    routes: [...before.routes, ...(routes ?? [])],
    dns: dns ?? before.dns,
  }
}

async function check(env: Environment, config: NetworkConfig, backend: CniBackend): Promise<void> {
  const { network, version } = config
  const prevResult = readPrevResult(config)
  const target = readTarget(env)
  const netns = env.CNI_NETNS ?? ''
  if (!prevResult) {
    throw new CniError(
      code.invalidConfig,
      'Network configuration: prevResult is missing, and CHECK compares with it.',
      `A runtime of cniVersion ${version} hands over what ADD returned.`,
    )
  }
  const index = prevResult.interfaces.findIndex(each => each.name === target.ifName && each.sandbox)
  if (index < 0) {
    throw new CniError(
      code.invalidConfig,
      `Network configuration: prevResult has no interface ${target.ifName} in the container.`,
    )
  }
  await requireContainer(netns, backend)
  const { mac, mtu } = addRequest(env, network, readAddConfig(config))
  const last = prevResult.interfaces[index]
  const addresses = prevResult.ips.filter(ip => ip.interface === index).map(ip => ip.address.replace(/\/.*/, ''))
  await backend.check({
    network,
    ...target,
    netns,
    addresses,
    ...(mac !== undefined && { macs: last.mac === undefined ? [] : [last.mac.toLowerCase()] }),
    ...(mtu !== undefined && { mtus: last.mtu === undefined ? [] : [last.mtu] }),
  })
}

/** The version to answer in, also when the rest of the configuration cannot be read; `unnamed`: where a configuration names none. */
function answerVersion(stdin: string, unnamed: CniVersion): string {
  const json = readJson(stdin)
  const version = json?.cniVersion
  if (typeof version === 'string' && /^\d+\.\d+\.\d+$/.test(version)) return version
  return json && (version === undefined || version === '') ? unnamed : newestVersion
}

function success(stdout = ''): CniResponse {
  return { exitCode: 0, stdout, stderr: '' }
}
