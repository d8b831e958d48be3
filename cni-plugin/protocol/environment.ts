// The environment of a CNI call: command, container, interface, namespace, arguments (SPEC, "Parameters").

import { CniError, code } from './errors.ts'
import { commands } from './versions.ts'
import type { Command } from './versions.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** One interface of one container. */
export interface Target {
  readonly containerId: string
  readonly ifName: string
}

const needed: Record<Command, readonly string[]> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
  VERSION: [],
}

export function readCommand(env: Environment): Command {
  const command = commands.find(each => each === env.CNI_COMMAND)
  if (command) return command
  throw new CniError(
    code.invalidEnvironment,
    `CNI_COMMAND is ${JSON.stringify(env.CNI_COMMAND)}, which is no command.`,
    `Commands: ${commands.join(', ')}.`,
  )
}

/** Refuses a call that lacks a variable its command needs. CNI_PATH is never needed: nothing is delegated. */
export function requireVariables(command: Command, env: Environment): void {
  const missing = needed[command].filter(name => !env[name])
  if (missing.length === 0) return
  const verb = missing.length === 1 ? 'is' : 'are'
  throw new CniError(
    code.invalidEnvironment,
    `${missing.join(' and ')} ${verb} not set, and ${command} needs ${missing.length === 1 ? 'it' : 'them'}.`,
  )
}

/** Octets of a container's id with which the stub can keep a DEL for later (stub/main.c). */
const longestKept = 128

/** Names of settings for all links (Documentation/networking/ip-sysctl), and of patterns (dev_alloc_name() of net/core/dev.c). */
const notForLinks = /^(all|default)$|%/

/** Of an ADD, whose DEL has to succeed while margayd is down. */
export function readNewTarget(env: Environment): Target {
  const target = readTarget(env)
  if (target.containerId.length > longestKept)
    throw new CniError(
      code.invalidEnvironment,
      `CNI_CONTAINERID "${target.containerId.slice(0, 40)}…" has ${target.containerId.length} octets, and its DEL could not be kept while margayd is down.`,
      `Give it at most ${longestKept}.`,
    )
  if (notForLinks.test(target.ifName))
    throw new CniError(
      code.invalidEnvironment,
      `CNI_IFNAME ${JSON.stringify(target.ifName)} is no name for a link: the kernel has its own use for it.`,
      'Choose another, such as eth0.',
    )
  return target
}

export function readTarget(env: Environment): Target {
  const { CNI_CONTAINERID: containerId = '', CNI_IFNAME: ifName = '' } = env
  if (!isContainerId(containerId)) {
    throw new CniError(
      code.invalidEnvironment,
      `CNI_CONTAINERID ${JSON.stringify(containerId)} is no container id.`,
      'It begins with a letter or digit and goes on with letters, digits, dots, dashes and underscores.',
    )
  }
  if (!isInterfaceName(ifName)) {
    throw new CniError(
      code.invalidEnvironment,
      `CNI_IFNAME ${JSON.stringify(ifName)} is no interface name.`,
      'It has 1 to 15 characters, no slash, colon or space; "." and ".." are none.',
    )
  }
  return { containerId, ifName }
}

/** Also the form of a network's name. */
export function isContainerId(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)
}

export function isInterfaceName(text: string): boolean {
  return /^[^\s/:]{1,15}$/.test(text) && text !== '.' && text !== '..'
}

/** The error for a key of CNI_ARGS whose value makes no sense (config.ts, `Refuse`). */
export const inArgs =
  (key: string) =>
  (value: unknown, reason: string, fix: string): CniError =>
    new CniError(code.invalidEnvironment, `CNI_ARGS: ${key} ${JSON.stringify(value)} ${reason}.`, fix)

/** What to do where a key comes twice. */
export const oneValue = 'An interface has one: ask for one.'

/** Keys that say one thing each. */
const single: ReadonlySet<string> = new Set(['MAC', 'K8S_POD_NAMESPACE', 'K8S_POD_NAME'])

/** CNI_ARGS, `K=V;K=V`. A key may come twice if it says the same twice. Keys that mean nothing to us are left alone, whether or not IgnoreUnknown says so. */
export function readArgs(env: Environment): ReadonlyMap<string, string> {
  const args = new Map<string, string>()
  for (const pair of (env.CNI_ARGS ?? '').split(';').filter(each => each !== '')) {
    const equals = pair.indexOf('=')
    if (equals < 1)
      throw new CniError(code.invalidEnvironment, `CNI_ARGS has ${JSON.stringify(pair)}, which is not KEY=VALUE.`)
    const [key, value] = [pair.slice(0, equals), pair.slice(equals + 1)]
    // Who asks for an address of each family may do so in two words.
    const before = args.get(key)
    if (before !== undefined && before !== value && single.has(key))
      throw inArgs(key)(value, `comes after ${JSON.stringify(before)}`, oneValue)
    args.set(key, before === undefined || key !== 'IP' ? value : `${before},${value}`)
  }
  return args
}
