// A bring-up that is interrupted or killed leaves nothing: at once after Ctrl-C, after `down` when it was killed.

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { namespacesThere } from '../src/lab/network.ts'
import { LabDir } from '../src/lab/state.ts'
import { labFile, margayctl, TestLab } from './kit/lab.ts'

const program = join(fileURLToPath(new URL('..', import.meta.url)), 'dist/margayctl.js')
const steps = ['checks', 'network', 'routers', 'resources', 'margayd', 'pods', 'sessions'] as const

/** Starts to bring up two racks, and sends a signal when a step is done. */
async function interrupt(
  name: string,
  step: string,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [program, 'lab', 'up', '--name', name, labFile('two-racks')])
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      text += data.toString()
      if (text.includes(`✔ ${step}`) && !child.killed) child.kill(signal)
    })
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, text }
}

/** Processes whose command line names the lab's directory. */
const processesOf = (name: string): readonly string[] =>
  readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .flatMap(pid => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return command.includes(`/lab/${name}/`) ? [command] : []
      } catch {
        return []
      }
    })

function nothingIsLeft(t: Test, name: string): void {
  t.same(processesOf(name), [], 'no process')
  t.same(
    namespacesThere().filter(netns => netns.startsWith(`${name}-`)),
    [],
    'no namespace',
  )
  t.notOk(existsSync(new LabDir(name).path), 'no file')
}

t.test('Ctrl-C on the way', async t => {
  const name = await TestLab.reserve(t, 'int')
  for (const step of ['network', 'routers', 'margayd'] as const) {
    const { code, text } = await interrupt(name, step, 'SIGINT')
    t.equal(code, 1, step)
    t.match(text, /was interrupted while it came up; nothing of it is left/)
    nothingIsLeft(t, name)
  }
})

t.test('kill -9 on the way, then down', async t => {
  const name = await TestLab.reserve(t, 'kill')
  for (const step of steps) {
    await interrupt(name, step, 'SIGKILL')
    if (step === 'network') {
      const again = await margayctl('lab', 'up', '--name', name, labFile('two-racks'))
      t.equal(again.code, 1)
      t.match(again.stderr, /was left half made: take it down first/)
    }
    t.equal((await margayctl('lab', 'down', name)).code, 0, step)
    nothingIsLeft(t, name)
  }
})

t.test('--wait stays, and Ctrl-C takes it down', async t => {
  const name = await TestLab.reserve(t, 'wait')
  const child = spawn(process.execPath, [program, 'lab', 'up', '--wait', '--name', name, labFile('full-mesh')])
  let text = ''
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString()
    if (text.includes('Ctrl-C takes it down.') && !child.killed) child.kill('SIGINT')
  })
  const code = await new Promise(resolve => child.on('close', resolve))
  t.equal(code, 0)
  t.match(text, `Lab ${name} is down`)
  nothingIsLeft(t, name)
})
