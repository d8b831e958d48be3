// The generator's process: told by its parent which phase comes, tells it what was measured.
//
//     main.ts SCENARIO SIZE WHO
//
// WHO: `all` peers of the scenario; `direct`: all, and the device's part, too; a number: that peer alone.

import { shapeOf } from '../scenarios/traffic.ts'
import { type PhaseResult, Run } from './run.ts'

export type ToGenerator = { readonly phase: number; readonly limit: number } | 'silence'
export type FromGenerator =
  | { readonly is: 'built' }
  | { readonly is: 'up' }
  | { readonly is: 'done'; readonly result: PhaseResult }
  | { readonly is: 'given up'; readonly at: number }
  | { readonly is: 'failed'; readonly words: string }

const tell = (message: FromGenerator): void => void process.send?.(message)

const [name, size, who] = process.argv.slice(2)
const shape = shapeOf(name, Number(size))
if (!shape) throw new Error(`there is no scenario ${name} of size ${size}`)
const run = new Run(shape, who)
tell({ is: 'built' })
await run.up()
tell({ is: 'up' })
process.on('message', (message: ToGenerator) => {
  const answer: Promise<FromGenerator> =
    message === 'silence'
      ? run.silence().then(at => ({ is: 'given up', at }))
      : run.phase(message.phase, message.limit).then(result => ({ is: 'done', result }))
  answer.then(tell, (error: unknown) =>
    tell({ is: 'failed', words: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit())
