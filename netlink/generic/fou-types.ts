// The words of the families of generic netlink that the library knows. Types only.

import type { Result } from '../types.ts'

/** A UDP port on which the kernel unwraps packets (Foo-over-UDP, linux/fou.h). */
export interface FouPort {
  /** 1–65535. */
  readonly port: number
  /** `direct`: what follows the UDP header is of protocol `protocol`. `gue`: a header of GUE says what follows. */
  readonly type: 'direct' | 'gue'
  /** IPPROTO_…, of what is within; of `direct` alone. */
  readonly protocol?: number
  /** IPv4 address that it is bound to; absent: every one. */
  readonly local?: string
}

export interface Fou extends AsyncDisposable {
  ports(): Promise<readonly FouPort[]>
  /** EADDRINUSE or EALREADY where the port is taken. */
  add(port: FouPort): Promise<Result>
  /** ENOENT or EINVAL where there is no such port. */
  delete(port: FouPort): Promise<Result>
  close(): Promise<void>
}
