// iptables, of which a node may have two: the one that writes nftables (Debian's `iptables`), and `iptables-legacy`, whose rules
// nftables does not show. Both are asked by their own executables, as everybody does who has rules in a table that several share.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { parseInterfaceAddress, prefixOf } from '../../../inet/index.ts'
import type { Expression, NetfilterChain, NetfilterRule, NetfilterTable } from '../../../netlink/netfilter/types.ts'

export type Backend = 'nft' | 'legacy'

export interface Iptables {
  /** The table `filter` of iptables-legacy, as iptables-save prints it; undefined: there is none. Rejects where it cannot be read. */
  legacyFilter(family: 4 | 6): Promise<string | undefined>
  /** Runs iptables on the table `filter`. Returns what it says if it fails. */
  run(backend: Backend, family: 4 | 6, args: readonly string[]): Promise<string | undefined>
}

const run = promisify(execFile)
/** Seconds for the lock of iptables, milliseconds for all of it. */
const lockFor = 5
const patience = 20_000

/** `netns`: path or name of the node's namespace; default: that of the process. */
export function linuxIptables(netns?: string): Iptables {
  const at = netns === undefined || netns.includes('/') ? netns : `/run/netns/${netns}`
  const execute = async (program: string, args: readonly string[]): Promise<string> => {
    const words = at === undefined ? [program, ...args] : ['nsenter', `--net=${at}`, program, ...args]
    return (await run(words[0], words.slice(1), { timeout: patience, maxBuffer: 1 << 28 })).stdout
  }
  const base = (family: 4 | 6): string => (family === 4 ? 'iptables' : 'ip6tables')
  return {
    async legacyFilter(family) {
      const list = `/proc/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`
      // Whoever reads it sees the tables of its own namespace.
      const reading = at === undefined ? readFile(list, 'utf8') : execute('cat', [list])
      const tables = await reading.catch(() => '')
      if (!tables.split('\n').includes('filter')) return undefined
      return execute(`${base(family)}-legacy-save`, ['-t', 'filter'])
    },
    async run(backend, family, args) {
      try {
        await execute(`${base(family)}-${backend}`, ['-w', String(lockFor), '-t', 'filter', ...args])
        return undefined
      } catch (error) {
        const { stderr, message } = error as { readonly stderr?: string; readonly message: string }
        return stderr?.trim() || message
      }
    },
  }
}

/** What iptables-save says, in the words of nftables; what has none becomes a condition of which nothing is known. */
export function tableOfSave(text: string, family: 4 | 6): NetfilterTable {
  const chains = new Map<string, NetfilterChain & { readonly rules: NetfilterRule[] }>()
  for (const line of text.split('\n')) {
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (name !== undefined) chains.set(name, { name, ...hookOf(name, policy), rules: [] })
    const [, chain, rest] = /^-A (\S+) ?(.*)$/.exec(line) ?? []
    if (chain !== undefined) chains.get(chain)?.rules.push(ruleOf(wordsOf(rest), family))
  }
  return { family: family === 4 ? 'ip' : 'ip6', name: 'filter', sets: [], chains: [...chains.values()] }
}

function hookOf(name: string, policy: string): Pick<NetfilterChain, 'hook'> {
  if (name !== 'FORWARD') return {}
  return { hook: { at: 'forward', type: 'filter', priority: 0, policy: policy === 'DROP' ? 'drop' : 'accept' } }
}

/** Words as a shell sees them: a comment with blanks is in quotes. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain)
}

const verdicts: Readonly<Record<string, 'accept' | 'drop' | 'return'>> = {
  ACCEPT: 'accept',
  DROP: 'drop',
  REJECT: 'drop',
  RETURN: 'return',
}
const unclear: Expression = { do: 'unknown', name: 'match', octets: new Uint8Array() }

function ruleOf(words: readonly string[], family: 4 | 6): NetfilterRule {
  const expressions: Expression[] = []
  let end: Expression | undefined
  let comment: string | undefined
  for (let i = 0; i < words.length; i++) {
    const isNot = words[i] === '!'
    if (isNot) i++
    const [word, value] = [words[i], words[++i] ?? '']
    if (word === '-j' || word === '-g') {
      const verdict = Object.hasOwn(verdicts, value) ? verdicts[value] : undefined
      end = verdict
        ? { do: 'verdict', verdict }
        : { do: 'verdict', verdict: word === '-j' ? 'jump' : 'goto', chain: value }
      break // what follows are options of the target
    }
    if (word === '--comment') comment = value
    else if (word === '-i' || word === '-o') expressions.push(...deviceIs(word, value, isNot))
    else if (word === '-s' || word === '-d') expressions.push(...addressIs(word, value, isNot, family))
    else if (word !== '-m' || value !== 'comment') expressions.push(unclear)
  }
  return { ...(comment !== undefined && { comment }), expressions: end ? [...expressions, end] : expressions }
}

/** A plus stands for the rest of the name. */
function deviceIs(word: '-i' | '-o', name: string, isNot: boolean): readonly Expression[] {
  const value = new TextEncoder().encode(name.endsWith('+') ? name.slice(0, -1) : `${name}\0`)
  return [
    { do: 'meta', to: 1, key: word === '-i' ? 'iifname' : 'oifname' },
    { do: 'cmp', from: 1, is: isNot ? 'neq' : 'eq', value },
  ]
}

function addressIs(word: '-s' | '-d', text: string, isNot: boolean, family: 4 | 6): readonly Expression[] {
  const parsed = parseInterfaceAddress(text)
  if (!parsed) return [unclear]
  const prefix = prefixOf(parsed.address, parsed.length)
  const length = family === 4 ? 4 : 16
  const mask = Uint8Array.from(
    { length },
    (_, i) => (0xff << (8 - Math.min(Math.max(prefix.length - 8 * i, 0), 8))) & 0xff,
  )
  const offset = family === 4 ? { '-s': 12, '-d': 16 }[word] : { '-s': 8, '-d': 24 }[word]
  return [
    { do: 'payload', to: 1, base: 'network', offset, length },
    { do: 'bitwise', from: 1, to: 1, length, mask, xor: new Uint8Array(length) },
    { do: 'cmp', from: 1, is: isNot ? 'neq' : 'eq', value: prefix.octets.slice(0, length) },
  ]
}
