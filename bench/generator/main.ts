// The generator's process: told by its parent which phase comes, tells it what was measured.
//
//     main.ts SCENARIO SIZE [direct]

import { traffic } from '../scenarios/traffic.ts'
import { type PhaseResult, Run } from './run.ts'

export type ToGenerator = { readonly phase: number; readonly limit: number }
export type FromGenerator =
  | { readonly is: 'built' }
  | { readonly is: 'up' }
  | { readonly is: 'done'; readonly result: PhaseResult }
  | { readonly is: 'failed'; readonly words: string }

const tell = (message: FromGenerator): void => void process.send?.(message)

const [name, size, direct] = process.argv.slice(2)
const scenario = traffic.find(each => each.name === name)
const shape = scenario?.sizes[Number(size)]?.shape
if (!shape) throw new Error(`there is no scenario ${name} of size ${size}`)
const run = new Run(shape, direct === 'direct')
tell({ is: 'built' })
await run.up()
tell({ is: 'up' })
process.on('message', ({ phase, limit }: ToGenerator) => {
  run.phase(phase, limit).then(
    result => tell({ is: 'done', result }),
    (error: unknown) => tell({ is: 'failed', words: error instanceof Error ? error.message : String(error) }),
  )
})
process.on('disconnect', () => process.exit())
