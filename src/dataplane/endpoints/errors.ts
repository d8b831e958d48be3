// Why a pod could not be attached or detached: a code for whoever must answer the runtime, a sentence for people.

export type EndpointErrorCode =
  /** The namespace's path leads nowhere: the pod is gone or was never there. */
  | 'netns-missing'
  /** The namespace is the node's own. */
  | 'netns-is-host'
  /** The pod has a device of that name already. */
  | 'interface-exists'
  /** The endpoint is attached already. */
  | 'endpoint-exists'
  /** Another endpoint of this node has the address. */
  | 'address-in-use'
  /** Another program's route holds the address. */
  | 'route-conflict'
  /** The request makes no sense: no address, a malformed one, a bad MTU, a sysctl with a value that the kernel does not take. */
  | 'bad-request'
  /** `adopt` has not run yet: ask again in a moment. */
  | 'not-ready'
  /** The kernel said no. */
  | 'kernel-refused'

export interface EndpointError {
  readonly code: EndpointErrorCode
  /** Object, value, reason, next step. */
  readonly text: string
}

/** Carries an `EndpointError` through the steps of an attachment; never leaves this folder. */
export class Refused extends Error {
  readonly error: EndpointError

  constructor(code: EndpointErrorCode, text: string) {
    super(text)
    this.error = { code, text }
  }
}

/** Whatever was thrown, as an error of the endpoint. */
export function errorOf(what: string, thrown: unknown): EndpointError {
  if (thrown instanceof Refused) return thrown.error
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: 'kernel-refused', text: `${what}: ${text}` }
}
