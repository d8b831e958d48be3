// Time, passed in: the rooms of the dataplane keep no timer of their own, so that a test can turn the hands.

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number
  /** Calls back once after `ms`; returns the cancel. */
  after(ms: number, call: () => void): () => void
}

/** Its timers do not keep the process alive: whoever waits for the kernel does. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms).unref()
    return () => clearTimeout(timer)
  },
}

/** Lets timers and sockets run before bulk work goes on. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
