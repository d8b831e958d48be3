// The README names every option of the configuration, every report and every field of a peer's status; its files are right.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { checkConfig } from '../core/check.ts'
import { undiscoverable, unprotectable } from '../transport/protection.ts'
import { parseConfig } from './config-file.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

/** What stands in code, in line or in a block. */
const code = [...read('../README.md').matchAll(/```[^]*?```|`[^`\n]+`/g)].map(([text]) => text).join('\n')
const words = new Set(code.match(/[\w-]+/g))
const missing = (names: readonly string[]) => [...new Set(names)].filter(name => !words.has(name))

/** First groups of the matches. */
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name)

t.test('every option', async t => {
  const [, table] = read('fields.ts').split('const range = ')
  const options = all(table, /\b([a-z]\w*): /gi)
  t.ok(options.length > 80, `${options.length} options`)
  t.same(missing(options), [])
})

t.test('every option of a peer has a row', async t => {
  const [, template] = /const template: [^]*?= \{\n([^]*?)\n\}/.exec(read('fields.ts')) ?? []
  const [, own] = /\.\.\.template,\n([^]*?)\n {2}\}/.exec(read('fields.ts')) ?? []
  const options = all(`${template}\n${own}`, /^ +(\w+):/gm).filter(name => !name.startsWith('secret'))
  t.ok(options.length > 35, `${options.length} options`)
  const firstCells = all(read('../README.md'), /^\| ([^|]*) \|/gm).join(' ')
  t.same(
    options.filter(name => !firstCells.includes(`\`${name}\``)),
    [],
  )
})

t.test('every report', async t => {
  const types = all(read('../types/events.ts'), /readonly type: '(\w+)'/g)
  t.ok(types.includes('sessionError'))
  t.same(missing(types), [])
})

t.test('every field of a status', async t => {
  const [, status] = read('../types/status.ts').split('export interface PeerStatus')
  t.same(missing(all(status, /^ {2}readonly (\w+)\??:/gm)), [])
})

t.test('every file is one that the executable takes, and the first needs nothing else', async t => {
  const files = all(read('../README.md'), /^```json\n([^]*?)^```/gm)
  t.ok(files.length >= 2)
  for (const [i, content] of files.entries()) {
    const folder = t.testdir({ [`${i}`]: { 'tor.key': 'key' } })
    const { speaker } = parseConfig(content, `${folder}/${i}/router.json`, {})
    t.same(checkConfig(speaker), [])
    if (i === 0) t.same([...unprotectable(speaker), ...undiscoverable(speaker)], [], 'no netlink-ts')
  }
  t.notMatch(files[0], /secret/)
})
