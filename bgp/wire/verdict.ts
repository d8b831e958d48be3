// What follows from a message that is not as it should be (RFC 4271 §6, RFC 7606 §2).

/** An error that ends the session: the NOTIFICATION to send, and the reason for the operator. */
export interface Fault {
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
  readonly why: string
}

/** RFC 7606 §2, weakest first. Whoever handles a message acts on `do`; the operator reads `why`. */
export type Verdict =
  | { readonly do: 'accept' }
  | { readonly do: 'discard'; readonly attribute: number; readonly why: string }
  | { readonly do: 'withdraw'; readonly why: string }
  | ({ readonly do: 'reset' } & Fault)

export const accept: Verdict = { do: 'accept' }

const nothing = new Uint8Array(0)

export function fault(code: number, subcode: number, why: string, data: Uint8Array = nothing): Fault {
  return { code, subcode, data, why }
}

export function reset(code: number, subcode: number, why: string, data?: Uint8Array): Verdict {
  return { do: 'reset', ...fault(code, subcode, why, data) }
}
