// docs/dataplane.md: the matrix as the last runs found it. A row that a run did not try stays as it was, and what is written depends
// on the outcome only, so a run that finds nothing new leaves the file as it is.

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { tableRows } from '../kit/markdown.ts'
import { type Case, carries, casesOf, families, type Place, places } from './cases.ts'
import { type Family, optionalKinds, vxlan, wrappings } from './kinds.ts'

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

/** A change of mode under the probe. */
export const switchName = (from: Case, to: Case): string =>
  [from, to].map(({ wrapping, mode }) => `${wrapping?.title ?? 'none'}, ${mode}`).join(' | ')

export async function writeRows(found: readonly Row[]): Promise<void> {
  const before = await readRows()
  const all = [...found, ...before]
  const switches = [casesOf([vxlan]), casesOf(optionalKinds)]
    .flatMap(cases => cases.slice(1).map((to, i) => switchName(cases[i], to)))
    .map(name => `| ${[name, ...(all.find(row => row.name === name)?.cells ?? [''])].join(' | ')} |`)
  const rows = casesOf(wrappings)
    .flatMap(each => families.flatMap(family => places.map(place => ({ each, family, place }))))
    .filter(({ each, family }) => carries(each, family))
    .map(({ each, family, place }) => {
      const name = nameOf(each, family, place)
      const { cells = heads.map(() => '') } = all.find(row => row.name === name) ?? {}
      return `| ${[name, ...cells].join(' | ')} |`
    })
  await writeFile(file, page(rows, switches))
}

async function readRows(): Promise<readonly Row[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return tableRows(text).map(cells => {
    // From, to, lost; or the four that name a way.
    const words = cells.length === 3 ? 2 : 4
    return { name: cells.slice(0, words).join(' | '), cells: cells.slice(words) }
  })
}

const page = (rows: readonly string[], switches: readonly string[]): string =>
  [
    '# Between pods of two nodes, by encapsulation',
    '',
    'Written by `integration/dataplane/`: real nodes in two subnets, with a router between them that is no part of the cluster, and real',
    "pods. What this machine's kernel lacks is tried under Debian's, in a virtual machine (testing.md). Do not edit: tests write it anew.",
    '',
    'TCP: 4 MiB arrive whole (SHA-256). Largest packet: this many octets pass with "do not fragment" set, one more does not; the wire',
    'takes 1500. Hops: who answers a traceroute. On the wire: what a capture at the receiving node sees, and it sees nothing else of the',
    'pod. ✘: the last run failed.',
    '',
    `| encapsulation | mode | family | nodes | ${heads.join(' | ')} |`,
    `|---|---|---|---|${heads.map(() => '---|').join('')}`,
    ...rows,
    '',
    '## The mode of a live pool changed',
    '',
    'While it changes, two pods in different subnets send each other numbered packets, 1,000 a second (in the virtual machine 30), in both',
    'families. Lost: of the flow that lost most, from before the change until no route leads the old way.',
    '',
    '| from | to | lost |',
    '|---|---|--:|',
    ...switches,
    '',
  ].join('\n')
