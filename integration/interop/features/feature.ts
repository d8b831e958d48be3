import type { Cell } from '../kit/cell.ts'

/** A row of the matrix. */
export interface Feature {
  /** As the table calls it. */
  readonly title: string
  /** Throws, or fails an assertion, if it does not work with the cell's daemon. */
  run(cell: Cell): Promise<void>
}
