import { execFileSync } from 'node:child_process'
import t from 'tap'

const module = JSON.stringify(new URL('young-space.ts', import.meta.url))

/** MB of V8's space for new objects, after many of which some live for a while. */
function spaceAfterMany(before: string): number {
  const script = `${before}
    const kept = []
    for (let i = 0; i < 2e6; i++) kept[i % 100_000] = { i }
    const { space_size } = process.getBuiltinModule('node:v8').getHeapSpaceStatistics().find(each => each.space_name === 'new_space')
    console.log(space_size / 2 ** 20)`
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  return Number(execFileSync(process.execPath, flags, { encoding: 'utf8' }))
}

t.test('new objects get no more memory than a process begins with', async t => {
  const small = spaceAfterMany(`(await import(${module})).keepYoungSpaceSmall()`)
  t.ok(small <= 4, `${small} MB`)
  const usual = spaceAfterMany('')
  t.ok(usual > 4, `else it would be ${usual} MB`)
})
