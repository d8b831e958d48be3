import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { launcher } from './launcher.ts'

const folder = mkdtempSync(join(tmpdir(), 'margay-launcher-'))
t.teardown(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'main.mjs'), 'await using x = { async [Symbol.asyncDispose]() { console.log("runs") } }\n')

const asOld =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})'

for (const ending of ['mjs', 'cjs']) {
  const file = join(folder, `margayx.${ending}`)
  writeFileSync(file, launcher('margayx', './main.mjs'))
  t.match(
    spawnSync(process.execPath, [file], { encoding: 'utf8' }),
    { status: 0, stdout: 'runs\n', stderr: '' },
    ending,
  )
  const old = spawnSync(process.execPath, ['--import', asOld, file], { encoding: 'utf8' })
  t.match(old, {
    status: 1,
    stdout: '',
    stderr: /^margayx needs Node\.js 26 or newer, and this is v\S+ \(\/.*\): install .*\n$/,
  })
}

const system = spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? 'none'
const isOld = Number(/^v(\d+)/.exec(system)?.[1] ?? 26) < 26
t.test("the machine's own Node", { skip: isOld ? false : `/usr/bin/node is ${system}, not an old one` }, async t => {
  const said = spawnSync('/usr/bin/node', [join(folder, 'margayx.mjs')], { encoding: 'utf8' })
  t.match(said, {
    status: 1,
    stdout: '',
    stderr: new RegExp(`^margayx needs Node.js 26 or newer, and this is ${system} `),
  })
})
