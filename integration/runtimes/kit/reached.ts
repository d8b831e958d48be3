// Echoes to and from containers whose block was claimed a moment ago: other nodes have yet to hear of it.

import { eventually } from '../../kit/lab.ts'

/** How a ping ended, with what it printed in whichever form a runtime hands that back. */
export interface Echo {
  readonly code: number
  readonly text?: string
  readonly stdout?: string
  readonly stderr?: string
}

/** Until an echo comes back; fails with what the last ping said. */
export async function reached(what: string, ping: () => Promise<Echo>): Promise<true> {
  let last = ''
  try {
    return await eventually(
      what,
      async () => {
        const { code, text = '', stdout = '', stderr = '' } = await ping()
        last = text + stdout + stderr
        return code === 0 || undefined
      },
      120,
    )
  } catch (error) {
    throw new Error(`${String(error)}\n${last}`, { cause: error })
  }
}
