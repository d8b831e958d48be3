// The plugin as a runtime meets it: every command, in every version of the specification that has it, against real kernels.
// cases/ has one file a subject; the numbers in their heads are those of docs/cni.md.

import t from 'tap'
import { answers } from './cases/answers.ts'
import { ask, pools } from './cases/ask.ts'
import { away } from './cases/away.ts'
import { chain } from './cases/chain.ts'
import { check } from './cases/check.ts'
import { inside } from './cases/inside.ts'
import { crowd, leave } from './cases/leave.ts'
import { attach, exhaustion } from './cases/attach.ts'
import { atLeast, CniWorld, type Version, versions } from './world.ts'

/** One of each shape of results, with CHECK and without: what a pod asks for and what is set up in it hang on nothing else of a version. */
const shapes: readonly Version[] = ['0.1.0', '0.4.0', '1.1.0']

const world = await CniWorld.up(t, 'cni')
await world.lab.established()

for (const version of versions)
  t.test(version, async t => {
    answers(t, world, version)
    attach(t, world, version)
    leave(t, world, version)
    check(t, world, version)
    if (shapes.includes(version)) for (const cases of [ask, pools, inside]) cases(t, world, version)
    if (atLeast(version, '0.3.1') && version !== '1.1.0') chain(t, world, version)
  })

t.test('many at once', async t => crowd(t, world))

t.test('the daemon is away', async t => away(t, world))

t.test('addresses run out', async t => exhaustion(t, world))
