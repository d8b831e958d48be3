// What a store's main side and its worker say to each other: numbered calls and their answers.

import type { StoreErrorCode } from '../contract.ts'

/** Handed to the worker at its start. */
export type StoreSettings =
  | { readonly store: 'cluster'; readonly path: string; readonly create: boolean }
  | { readonly store: 'node'; readonly path: string }

export interface Request {
  readonly id: number
  readonly call: string
  readonly args: readonly unknown[]
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: StoreErrorCode; readonly message: string }

/** The calls that a store's worker serves. A call may take its time (a watch waits for news). */
export type Calls = { readonly [call: string]: (...args: never[]) => unknown }
