// What every call is answered, whatever it asks: versions, codes, which variable is at fault, and nothing else on stdout.
// Items 1, 2, 3, 26, 27, 28, 29.

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type CniWorld, errorIn, type Version, versions } from '../world.ts'

export function answers(t: Test, world: CniWorld, version: Version): void {
  t.test('VERSION, whatever is on stdin', async t => {
    const { exitCode, stdout, stderr } = await world.call(
      'VERSION',
      version,
      {},
      JSON.stringify({ cniVersion: version }),
    )
    t.strictSame([exitCode, stderr], [0, ''])
    t.strictSame(JSON.parse(stdout), { cniVersion: version, supportedVersions: versions })
    for (const stdin of ['', '{', '[]']) t.equal((await world.call('VERSION', version, {}, stdin)).exitCode, 0, stdin)
  })

  t.test('a bad call is told what is wrong with it', async t => {
    const container = await world.container()
    const conf = (more: object) => JSON.stringify({ ...world.conf(version), ...more })
    for (const [what, command, env, stdin, want] of [
      ['unknown command', 'PAINT', {}, undefined, { code: 4, msg: /CNI_COMMAND/ }],
      ['no container', 'ADD', { CNI_CONTAINERID: undefined }, undefined, { code: 4, msg: /CNI_CONTAINERID/ }],
      ['no interface', 'ADD', { CNI_IFNAME: undefined }, undefined, { code: 4, msg: /CNI_IFNAME/ }],
      ['no namespace', 'ADD', { CNI_NETNS: undefined }, undefined, { code: 4, msg: /CNI_NETNS/ }],
      ['a bad container', 'DEL', { CNI_CONTAINERID: '../etc' }, undefined, { code: 4, msg: /CNI_CONTAINERID/ }],
      ['a bad interface', 'DEL', { CNI_IFNAME: 'far-too-long-name' }, undefined, { code: 4, msg: /CNI_IFNAME/ }],
      ['bad arguments', 'ADD', { CNI_ARGS: 'IP' }, undefined, { code: 4, msg: /CNI_ARGS/ }],
      ['no JSON', 'ADD', {}, '{"name":', { code: 6, msg: /no JSON/ }],
      ['nothing', 'ADD', {}, '', { code: 6, msg: /empty/ }],
      ['an empty name', 'ADD', {}, conf({ name: '' }), { code: 7, msg: /name/ }],
      ['a bad name', 'ADD', {}, conf({ name: 'a b' }), { code: 7, msg: /name/ }],
      ['a bad key', 'ADD', {}, conf({ mtu: 'large' }), { code: 7, msg: /mtu/ }],
      ['a version to come', 'ADD', {}, conf({ cniVersion: '9.9.9' }), { code: 1, details: /0\.1\.0.*1\.1\.0/ }],
      [
        "the node's namespace",
        'ADD',
        { CNI_NETNS: `/proc/${world.lab.process(world.node, 'margayd').pid}/ns/net` },
        undefined,
        { code: 8, msg: /namespace/ },
      ],
    ] as const) {
      const answer = await world.call(command, version, { ...container, env }, stdin)
      t.match(errorIn(answer), { exitCode: 1, ...want }, what)
      t.equal(answer.stderr, '', what)
    }
    t.same(await world.leftOnNode(), [], 'and nothing came of it')
  })

  t.test('a large configuration with unknown fields; and secrets in it stay out of the log', async t => {
    const container = await world.container()
    const more = { password: `hush-${version}`, list: Array.from({ length: 20_000 }, (_, i) => ({ number: i })) }
    const env = { CNI_ARGS: `IgnoreUnknown=1;TOKEN=hush-${version}` }
    t.equal((await world.call('ADD', version, { ...container, env }, more)).exitCode, 0)
    t.strictSame(await world.call('DEL', version, { ...container, env }, more), { exitCode: 0, stdout: '', stderr: '' })
    t.match(errorIn(await world.call('ADD', version, { ...container, env }, { ...more, mtu: 'x' })), { code: 7 })
    t.notMatch(readFileSync(world.lab.dir.log(world.node, 'margayd'), 'utf8'), /hush-/)
  })
}
