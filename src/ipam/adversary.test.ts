// No address is ever given twice, in any crash or partition (design, promise 4): every schedule of small stories, and random
// ones of large ones. The argument is in docs/ipam.md.

import * as fc from 'fast-check'
import t from 'tap'
import { type Action, playAll, playAlong, playBy, type Story, type World } from './adversary.ts'
import { pool } from './testing.ts'

const two = [pool('v4', '10.42.0.0/30', { blockSize: 31 })]
const one = [pool('v4', '10.42.0.0/31', { blockSize: 31 })]
const whole = [pool('v4', '10.42.0.0/30', { blockSize: 30 })]
/** Large enough that a block is claimed ahead. */
const four = [pool('v4', '10.42.0.0/29', { blockSize: 31 })]
const halves = [pool('v4', '10.42.0.0/29', { blockSize: 30 })]
const assign = (id: number): Action => ({ do: 'assign', id: String(id) })
const release = (id: number): Action => ({ do: 'release', id: String(id) })
const tidy: Action = { do: 'tidy' }
const refresh: Action = { do: 'refresh' }
const copy: Action = { do: 'copy' }
const serve: Action = { do: 'serve' }
const sweep: Action = { do: 'sweep' }
const backUp: Action = { do: 'back up' }
const lookAhead: Action = { do: 'look ahead' }

const none = { cuts: 0, crashes: 0, losses: 0 }
const stories: readonly (Story & { readonly name: string })[] = [
  {
    name: 'two nodes run for the last block, with one cut',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1)] },
      { name: 'b', pools: one, actions: [assign(1)] },
    ],
    ...none,
    cuts: 1,
  },
  {
    name: 'three nodes run for two blocks',
    nodes: ['a', 'b', 'c'].map(name => ({ name, pools: two, actions: [assign(1)] })),
    ...none,
  },
  {
    name: 'a block goes back, its old owner thinks better of it, another wants it; with one cut',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), release(1), tidy, refresh, assign(2)] },
      { name: 'b', pools: one, actions: [assign(1)] },
    ],
    ...none,
    cuts: 1,
  },
  {
    name: 'the same with a crash',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), release(1), tidy, assign(2)] },
      { name: 'b', pools: one, actions: [assign(1)] },
    ],
    ...none,
    crashes: 1,
  },
  {
    name: 'two nodes of which one still sees blocks of another size; with one cut',
    nodes: [
      { name: 'a', pools: two, actions: [assign(1)] },
      { name: 'b', pools: whole, actions: [assign(1)] },
    ],
    ...none,
    cuts: 1,
  },
  {
    name: 'a node loses its store, before or after its addresses were copied',
    nodes: [
      { name: 'a', pools: two, actions: [assign(1), copy, assign(2)] },
      { name: 'b', pools: two, actions: [assign(1)] },
    ],
    ...none,
    losses: 1,
  },
  {
    name: 'a node whose kernel shows no pod loses its store and has nothing but the copies; with one cut',
    nodes: [{ name: 'a', pools: two, actions: [assign(1), copy, assign(2), assign(3)] }],
    isBlind: true,
    cuts: 1,
    crashes: 0,
    losses: 1,
  },
  {
    name: 'a node whose kernel shows no pod sweeps copies, and loses its store; with one cut',
    nodes: [{ name: 'a', pools: two, actions: [assign(1), copy, release(1), assign(2), tidy, sweep, copy, assign(3)] }],
    isBlind: true,
    cuts: 1,
    crashes: 0,
    losses: 1,
  },
  {
    name: 'a node leaves a part of its block to another',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), serve, assign(2)] },
      { name: 'b', pools: one, actions: [assign(1), assign(1)] },
    ],
    ...none,
  },
  {
    name: 'a node claims ahead while it gives and lets go; with one cut',
    nodes: [{ name: 'a', pools: four, actions: [assign(1), lookAhead, assign(2), release(1), tidy, assign(3)] }],
    looksAhead: true,
    ...none,
    cuts: 1,
  },
  {
    name: 'the same with a crash, before the record, or between the record and the store',
    nodes: [{ name: 'a', pools: four, actions: [assign(1), lookAhead, assign(2), assign(3), refresh] }],
    looksAhead: true,
    stepsOfDisk: true,
    ...none,
    crashes: 1,
  },
  {
    name: 'two nodes claim ahead where their blocks have two sizes',
    nodes: [
      { name: 'a', pools: four, actions: [assign(1), lookAhead, assign(2)] },
      { name: 'b', pools: halves, actions: [assign(1)] },
    ],
    looksAhead: true,
    ...none,
  },
]

/** a's backup knows a block that c, whose search begins where a's does, has by now. */
const putBack: Story = {
  nodes: [
    { name: 'a', pools: two, actions: [assign(1), backUp, release(1), tidy, assign(2), assign(3)] },
    { name: 'c', pools: two, actions: [assign(1)] },
  ],
  ...none,
  cuts: 1,
  restores: 1,
}

/** Too long for every schedule: random ones. */
const longer: readonly (Story & { readonly name: string })[] = [
  ...[
    { name: 'a cut', ...none, cuts: 1 },
    { name: 'a crash', ...none, crashes: 1 },
    { name: 'a cut, and a disk is lost', ...none, cuts: 1, losses: 1 },
  ].map(({ name, ...faults }) => ({
    name: `a node splits its block and another wants the part; with ${name}`,
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), serve, assign(2)] },
      { name: 'b', pools: one, actions: Array.from({ length: 5 }, () => assign(1)) },
    ],
    asked: 'a',
    ...faults,
  })),
  {
    name: 'a node leaves a part of its block to another, and a disk is lost',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), serve, assign(2)] },
      { name: 'b', pools: one, actions: [assign(1), assign(1), release(1), tidy] },
    ],
    ...none,
    losses: 1,
  },
  {
    name: 'a block of four goes to two others in parts, and comes back',
    nodes: [
      {
        name: 'a',
        pools: whole,
        actions: [assign(1), serve, assign(2), serve, assign(3), release(1), tidy, assign(4)],
      },
      { name: 'b', pools: whole, actions: [assign(1), assign(1), assign(2), release(1), tidy, serve] },
      { name: 'c', pools: whole, actions: [assign(1), assign(1), assign(1), tidy] },
    ],
    cuts: 2,
    crashes: 1,
    losses: 1,
  },
  ...[
    { name: 'a cut', ...none, cuts: 1 },
    { name: 'a crash', ...none, crashes: 1 },
    { name: 'a lost disk', ...none, losses: 1 },
  ].map(({ name, ...faults }) => ({
    name: `a node claims ahead while it gives and lets go, another wants the block; with ${name}`,
    nodes: [
      {
        name: 'a',
        pools: four,
        actions: [assign(1), lookAhead, assign(2), release(1), tidy, refresh, assign(3), assign(4)],
      },
      { name: 'b', pools: halves, actions: [assign(1), assign(2), lookAhead, assign(3)] },
    ],
    looksAhead: true,
    ...faults,
  })),
  { name: 'the backup of a store is put back, with a cut', ...putBack },
  {
    name: 'a split breaks off, its giver goes on and loses its disk',
    nodes: [
      { name: 'a', pools: whole, actions: [assign(1), serve, assign(2), assign(3), assign(4), refresh] },
      { name: 'b', pools: whole, actions: [assign(1), assign(1), assign(1)] },
    ],
    cuts: 2,
    crashes: 0,
    losses: 1,
  },
]

const told = (world: World | undefined): string =>
  world ? `${world.faults.join('\n')}\n  after\n  ${world.trace.join('\n  ')}` : ''

t.test('every schedule of a small story', async t => {
  for (const story of stories)
    t.test(story.name, async t => {
      const { played, wrong } = await playAll(story, 20_000)
      t.equal(told(wrong), '')
      t.comment(`${played} schedules`)
    })
})

/** What the adversary has found once, or would find with the code broken in one place: too rare to wait for. */
const found: readonly (Story & { readonly name: string; readonly steps: readonly string[] })[] = [
  {
    name: 'a node that lost its store keeps a block with pods, though another one claims around it at that moment',
    nodes: [
      { name: 'a', pools: two, actions: [assign(1)] },
      { name: 'b', pools: whole, actions: [assign(1), assign(2), assign(3), assign(4)] },
    ],
    ...none,
    losses: 1,
    steps: [
      'b begins assign 1',
      'b list Block',
      'a create Block',
      'a list Block',
      'a loses its store',
      'a update Block',
      'b create Block',
      'a list Block',
    ],
  },
  {
    name: 'of a block and a part of it, left by a split that broke off, a node that lost its store takes the block',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), serve, assign(2)] },
      { name: 'b', pools: one, actions: [assign(1)] },
    ],
    asked: 'a',
    cuts: 1,
    crashes: 0,
    losses: 1,
    steps: ['a answer lost of create Block 10-42-0-0-32', 'a begins assign 2', 'a loses its store'],
  },
  {
    name: 'a node lost its store, and the copy names a pod of before for an address that another pod has',
    nodes: [{ name: 'a', pools: two, actions: [assign(1), copy, release(1), assign(0), assign(2), assign(1)] }],
    ...none,
    losses: 1,
    steps: ['a begins assign 0', 'a begins assign 2', 'a loses its store', 'a begins assign 1'],
  },
  {
    name: 'a node lost its store, and hears of its pod by a copy that comes late, when the pod asks again',
    nodes: [{ name: 'a', pools: two, actions: [assign(1), copy, assign(1)] }],
    ...none,
    cuts: 2,
    losses: 1,
    steps: [
      'a cut before create AddressCopy',
      'a loses its store',
      'a list AddressCopy',
      'a cut before list Block',
      'late a create AddressCopy',
      'a begins assign 1',
    ],
  },
  {
    name: 'a node takes over the block that it claimed before a crash, and reads a copy that its owner of before has not deleted yet',
    nodes: [
      { name: 'a', pools: one, actions: [assign(1), copy, release(1), tidy] },
      { name: 'b', pools: one, actions: [assign(1)] },
    ],
    ...none,
    crashes: 1,
    steps: ['a begins tidy', 'a delete Block', 'b create Block', 'b crashes before list Block'],
  },
  {
    name: 'the backup of a store is put back while the datastore is away, and another node has a block of it',
    ...putBack,
    steps: [
      'a delete Block',
      'c create Block 10-42-0-0-31',
      'c list Block',
      'a loses its store for the backup',
      'a cut before list AddressCopy',
      'a begins assign 3',
    ],
  },
]

t.test('schedules that were found', async t => {
  const outcome = (world: World): string => (world.faults.length > 0 ? told(world) : '')
  for (const { name, steps, ...story } of found)
    t.test(name, async t => t.equal(outcome(await playAlong(story, steps)), ''))

  t.test('a split breaks off at each commit of its node: the block or its parts are in force, never both', async t => {
    const story = {
      nodes: [
        { name: 'a', pools: whole, actions: [assign(1), serve, assign(2), assign(3), assign(4)] },
        { name: 'b', pools: whole, actions: [assign(1), assign(2)] },
      ],
      asked: 'a',
      ...none,
      crashes: 1,
      stepsOfDisk: true,
    }
    const commits = 5 // the store's first one, the address's, the block's, that of the split, and that of the next address
    for (let nth = 1; nth <= commits; nth++)
      for (const when of ['before', 'after']) {
        const steps = [...Array.from({ length: nth - 1 }, () => 'a commit'), `a crashes ${when} commit`]
        t.equal(outcome(await playAlong(story, steps)), '', `${when} commit ${nth}`)
      }
  })
})

const action = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 3 }).map(assign) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }).map(release) },
  { weight: 3, arbitrary: fc.constantFrom(tidy, refresh, copy, serve) },
)
const large = (pools: fc.Arbitrary<typeof two>, looksAhead: boolean): fc.Arbitrary<Story> =>
  fc.record({
    nodes: fc.tuple(
      ...(['a', 'b', 'c'] as const).map(name =>
        fc.record({
          name: fc.constant(name),
          pools,
          actions: fc.array(looksAhead ? fc.oneof({ weight: 4, arbitrary: action }, fc.constant(lookAhead)) : action, {
            minLength: 2,
            maxLength: 12,
          }),
        }),
      ),
    ),
    cuts: fc.integer({ min: 0, max: 6 }),
    crashes: fc.integer({ min: 0, max: 3 }),
    losses: fc.integer({ min: 0, max: 1 }),
    looksAhead: fc.constant(looksAhead),
  })

t.test('random schedules of longer stories', async t => {
  const runs = Number(process.env['ADVERSARY_RUNS'] ?? 100)
  for (const story of longer)
    t.test(story.name, async t => {
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.nat(10_000)), async numbers => {
          const world = await playBy(story, numbers)
          if (world.faults.length > 0) throw new Error(told(world))
        }),
        { numRuns: runs },
      )
      t.pass(`${runs} schedules`)
    })
})

for (const { name, stories } of [
  { name: 'random schedules of large stories', stories: large(fc.constantFrom(two, two, whole, whole), false) },
  { name: 'the same with blocks that are claimed ahead', stories: large(fc.constantFrom(four, four, halves), true) },
])
  t.test(name, async t => {
    const runs = Number(process.env['ADVERSARY_RUNS'] ?? 200)
    await fc.assert(
      fc.asyncProperty(stories, fc.infiniteStream(fc.nat(10_000)), async (story, numbers) => {
        const world = await playBy(story, numbers)
        if (world.faults.length > 0) throw new Error(told(world))
      }),
      { numRuns: runs },
    )
    t.pass(`${runs} schedules`)
  })
