// docs/dataplane.md: the matrix as the last runs found it. A row that a run did not try stays as it was, and what is written depends
// on the outcome only, so a run that finds nothing new leaves the file as it is.

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Case, carries, casesOf, families, type Place, places } from './cases.ts'
import { type Family, wrappings } from './kinds.ts'

/** A row's cells after its name; `✘` where a check failed. */
export interface Row {
  readonly name: string
  readonly cells: readonly string[]
}

const file = fileURLToPath(new URL('../../docs/dataplane.md', import.meta.url))
const heads = ['TCP, 4 MiB', 'largest packet', 'hops', 'on the wire']

const familyNames = { ipv4: 'IPv4', ipv6: 'IPv6' } as const

export const nameOf = ({ wrapping, mode }: Case, family: Family, place: Place): string =>
  [wrapping?.title ?? 'none', mode, familyNames[family], place].join(' | ')

export async function writeRows(found: readonly Row[]): Promise<void> {
  const before = await readRows()
  const rows = casesOf(wrappings)
    .flatMap(each => families.flatMap(family => places.map(place => ({ each, family, place }))))
    .filter(({ each, family }) => carries(each, family))
    .map(({ each, family, place }) => {
      const name = nameOf(each, family, place)
      const { cells = heads.map(() => '') } = [...found, ...before].find(row => row.name === name) ?? {}
      return `| ${[name, ...cells].join(' | ')} |`
    })
  await writeFile(file, page(rows))
}

export async function readRows(): Promise<readonly Row[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| encapsulation'))
    .map(line => {
      const cells = line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim())
      return { name: cells.slice(0, 4).join(' | '), cells: cells.slice(4) }
    })
}

const page = (rows: readonly string[]): string =>
  [
    '# Between pods of two nodes, by encapsulation',
    '',
    'Written by `integration/dataplane/`: real nodes in two subnets, with a router between them that is no part of the cluster, and real',
    "pods. What this machine's kernel lacks is tried under Debian's, in a virtual machine. Do not edit: `npm test` writes it anew.",
    '',
    'TCP: 4 MiB arrive whole (SHA-256). Largest packet: this many octets pass with "do not fragment" set, one more does not; the wire',
    'takes 1500. Hops: who answers a traceroute. On the wire: what a capture at the receiving node sees, and it sees nothing else of the',
    'pod. ✘: the last run failed.',
    '',
    `| encapsulation | mode | family | nodes | ${heads.join(' | ')} |`,
    `|---|---|---|---|${heads.map(() => '---|').join('')}`,
    ...rows,
    '',
  ].join('\n')
