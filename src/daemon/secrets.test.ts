import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { acceptAll, type SpeakerConfig } from '../../bgp/types.ts'
import { Secrets } from './secrets.ts'

const peer = { address: '10.0.1.1', remoteAs: 65101, import: acceptAll, export: acceptAll }
const config: SpeakerConfig = { asn: 1, routerId: '1.1.1.1', peers: new Map([['tor', peer], ['other', peer]]) } // prettier-ignore

t.test('a key is read from its file or variable, and again when it changes', async t => {
  const file = join(t.testdir({ key: 'hunter2\nsecond line is a remark\n' }), 'key')
  const secrets = new Secrets()
  const read = () => secrets.apply(config, new Map([['tor', { file }]]))
  t.equal(read().config.peers.get('tor')?.secret, 'hunter2')
  t.equal(read().config.peers.get('other')?.secret, undefined)
  writeFileSync(file, 'next')
  t.equal(read().config.peers.get('tor')?.secret, 'next')
  rmSync(file)
  const gone = read()
  t.equal(gone.config.peers.get('tor')?.secret, 'next', 'what cannot be read any more stays in force')
  t.match(gone.problems, [/peer "tor": file .*key of its password cannot be read \(ENOENT\).*stays in force/])

  process.env['MGP_KEY'] = 'from env'
  t.equal(secrets.apply(config, new Map([['tor', { env: 'MGP_KEY' }]])).config.peers.get('tor')?.secret, 'from env')
})

t.test('without its key a peer has no session, and the key is in no words', async t => {
  const file = join(t.testdir({ key: 'hunter2'.repeat(12) }), 'key')
  for (const [reference, expected] of [
    [{ file: '/nowhere/key' }, /cannot be read \(ENOENT\); correct it, there is no session until then/],
    [{ env: 'MGP_NONE' }, /variable MGP_NONE of its password is not set/],
    [{ file }, /holds 84 octets, and a key has 1 to 80/],
  ] as const) {
    const { config: without, problems } = new Secrets().apply(config, new Map([['tor', reference]]))
    t.same([...without.peers.keys()], ['other'])
    t.match(problems, [expected])
    t.notMatch(problems.join(), 'hunter2')
  }
  t.equal(new Secrets().apply(config).config, config, 'nothing to read: the very same')
})
