// Words for whoever mistypes a command.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bgpSpeaker, Executable, failure } from './test-executable.ts'

function config(peer: object = {}) {
  return { asn: 65001, routerId: '10.0.0.1', peers: { other: { address: '127.0.0.2', remoteAs: 65002, ...peer } } }
}

t.test('each is told what to write', async t => {
  const a = new Executable(t).write(config({ holdTime: 2 }))
  for (const [argv, says] of [
    [['rum'], /there is no bgp-speaker rum: did you mean run\?/],
    [['run'], /write it like this: bgp-speaker run FILE\.json/],
    [['run', a.file, '--contol', 'x'], /--contol.*bgp-speaker --help lists the options/],
    [['check', a.file], /router\.json: peer "other": holdTime is 2: RFC 4271 forbids it/],
    [['run', a.file], /router\.json: peer "other": holdTime is 2: RFC 4271 forbids it/],
    [['run', a.file, '--sockets', './nowhere.js'], /--sockets \.\/nowhere\.js cannot be loaded/],
    [['ctl', a.socket], /say what is asked/],
    [['ctl', a.socket, 'show', 'rotes'], /there is no ctl rotes: did you mean routes\?/],
    [['ctl', a.socket, 'reset'], /the name of a peer is missing/],
  ] as const) {
    const said = await failure(...argv)
    t.match(said, says, argv.join(' '))
    t.match(said, /^1: /)
  }
  a.write(config({ secret: 'correct horse' }))
  const bare = join(a.folder, 'bare.mjs')
  writeFileSync(bare, 'export const nothing = 1')
  t.match(await failure('run', a.file, '--sockets', bare), /has no function sockets\(\)/)
  t.match((await bgpSpeaker('check', a.write(config()).file)).stdout, /^$/)
  t.match((await bgpSpeaker('--help')).stdout, /bgp-speaker run FILE\.json/)
  t.match((await bgpSpeaker('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
})
