// The worker's side: takes calls, runs them, answers. A call that waits does not keep others waiting.

import type { MessagePort } from 'node:worker_threads'
import type { StoreError } from '../contract.ts'
import type { Answer, Calls, Request } from './protocol.ts'

/** `plain` puts an error of the store into words. */
export function serve(port: MessagePort, calls: Calls, plain: (error: unknown) => StoreError): void {
  port.on('message', (request: Request) => {
    answer(calls, request).then(
      value => port.postMessage({ id: request.id, ok: true, value } satisfies Answer),
      (error: unknown) => {
        const { code, message } = plain(error)
        port.postMessage({ id: request.id, ok: false, code, message } satisfies Answer)
      },
    )
  })
}

async function answer(calls: Calls, { call, args }: Request): Promise<unknown> {
  return calls[call](...(args as never[]))
}
