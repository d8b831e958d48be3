// Commits that are asked for while the disk is busy go together: they wait for it once.
//
// Each stays all or nothing by itself: if the common one fails, the worker tries them one by one.

import type { NodeStoreChange } from '../node-store.ts'
import { StoreError, type StoreErrorCode } from '../contract.ts'

/** Why a commit of a group is not there; undefined: it is. */
export type CommitFailure = { readonly code: StoreErrorCode; readonly message: string } | undefined

interface Waiting {
  readonly changes: readonly NodeStoreChange[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

type Write = (group: readonly (readonly NodeStoreChange[])[]) => Promise<readonly CommitFailure[]>

export class GroupCommit {
  readonly #write: Write
  #waiting: Waiting[] = []
  #isBusy = false

  constructor(write: Write) {
    this.#write = write
  }

  commit(changes: readonly NodeStoreChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject })
      if (!this.#isBusy) this.flush()
    })
  }

  /** Hands over what waits, so that what is asked of the store next finds it. */
  flush(): void {
    const group = this.#waiting.splice(0)
    if (group.length === 0) return
    this.#isBusy = true
    this.#write(group.map(({ changes }) => changes))
      .then(
        failures =>
          group.forEach(({ resolve, reject }, i) => {
            const failure = failures[i]
            if (failure) reject(new StoreError(failure.code, failure.message))
            else resolve()
          }),
        (error: unknown) => {
          for (const { reject } of group) reject(error)
        },
      )
      .finally(() => {
        this.#isBusy = false
        this.flush()
      })
  }
}
