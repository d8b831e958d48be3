import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { documentKind } from './document.ts'
import { kinds } from './index.ts'

const file = fileURLToPath(new URL('../../docs/resources.md', import.meta.url))
const begin = '<!-- from here on written by: tap --snapshot src/resources/document.test.ts -->\n'

t.test('docs/resources.md says what the schemas say', async t => {
  const [head] = readFileSync(file, 'utf8').split(begin)
  const expected = `${head}${begin}\n${Object.values(kinds)
    .map(kind => documentKind(kind))
    .join('\n')}`
  if (t.writeSnapshot) writeFileSync(file, expected)
  t.equal(readFileSync(file, 'utf8'), expected)
})

t.test('every field is described', async t => {
  for (const kind of Object.values(kinds))
    for (const line of documentKind(kind)
      .split('\n')
      .filter(text => text.startsWith('| `')))
      t.notMatch(line, /\|\s*\|$/, line)
})
