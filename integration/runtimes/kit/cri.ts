// The Container Runtime Interface as a kubelet speaks it: gRPC on the runtime's unix socket (k8s.io/cri-api).

import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

const root = new protobuf.Root().loadSync(join(import.meta.dirname, 'cri.proto'))
const service = root.lookupService('runtime.v1.RuntimeService')

/** A pod as a kubelet names it. */
export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string }
  readonly hostname: string
  readonly logDirectory: string
  readonly linux: { readonly cgroupParent: string }
}

export interface SandboxStatus {
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY'
  readonly network: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] }
}

/** What each call is answered with: those fields of cri.proto that the tests read. */
interface Answers {
  Version: { readonly runtimeName: string }
  Status: { readonly status: { readonly conditions: readonly { type: string; status: boolean; message: string }[] } }
  RunPodSandbox: { readonly podSandboxId: string }
  PodSandboxStatus: { readonly status: SandboxStatus }
  StopPodSandbox: object
  RemovePodSandbox: object
  ListPodSandbox: { readonly items: readonly { readonly id: string }[] }
  CreateContainer: { readonly containerId: string }
  StartContainer: object
  ExecSync: { readonly stdout: Buffer; readonly stderr: Buffer; readonly exitCode: number }
}

export class Cri {
  readonly #client: Client

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure())
  }

  /** Rejects with what the runtime says. */
  call<Method extends keyof Answers>(method: Method, request: object = {}): Promise<Answers[Method]> {
    const { requestType, responseType } = service.methods[method]
    const [ask, answer] = [root.lookupType(`runtime.v1.${requestType}`), root.lookupType(`runtime.v1.${responseType}`)]
    return new Promise((resolve, reject) =>
      this.#client.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (value: object) => Buffer.from(ask.encode(ask.fromObject(value)).finish()),
        octets => answer.toObject(answer.decode(octets), { defaults: true, enums: String }) as Answers[Method],
        request,
        (error, value) => (error || !value ? reject(new Error(`${method}: ${error?.details}`)) : resolve(value)),
      ),
    )
  }

  close(): void {
    this.#client.close()
  }
}
