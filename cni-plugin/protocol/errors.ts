// CNI's error object (SPEC 1.1.0, "Error"): what a runtime reads when a call fails.

/** Codes of the specification; those from 100 are our own. */
export const code = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  /** The container is unknown, so the runtime need not clean up: never said while something may be left. */
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  /** CNI_NETNS is the host's own namespace. */
  hostNamespace: 8,
  tryAgainLater: 11,
  /** STATUS: ADD cannot work now. */
  unavailable: 50,
  /** STATUS: ADD cannot work, and running containers may have lost connectivity. */
  limitedConnectivity: 51,
  noAddressLeft: 100,
  attachmentExists: 101,
  stubMismatch: 102,
  /** CHECK: the attachment is not what ADD made. */
  attachmentBroken: 103,
  internal: 999,
} as const

/** Thrown by a backend, or on the way to it; becomes the error object on stdout. */
export class CniError extends Error {
  readonly code: number
  readonly details: string | undefined

  /** `message`: one sentence with object, value and reason. `details`: the next step, or more of the reason. */
  constructor(code: number, message: string, details?: string) {
    super(message)
    this.name = 'CniError'
    this.code = code
    this.details = details
  }
}

/** The text for stdout. */
export function errorObject(cniVersion: string, error: unknown): string {
  const known = error instanceof CniError ? error : new CniError(code.internal, messageOf(error))
  const { message, details } = known
  // Runtimes show both in one line, with a sign between.
  const text = details ? { msg: message.replace(/\.$/, ''), details } : { msg: message }
  const object = { cniVersion, code: known.code, ...text }
  return `${JSON.stringify(object)}\n`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
