// Settings of a network device as `ethtool` knows them. Types only.

import type { Result } from '../types.ts'

export interface Ethtool extends AsyncDisposable {
  /** Features of a link that are on, under their names (`tx-checksum-ip-generic`). Rejects with ENODEV where there is no such link. */
  features(link: number): Promise<ReadonlySet<string>>
  /** Turns one on or off, as far as the device allows it: `features` says what came of it. */
  setFeature(link: number, name: string, on: boolean): Promise<Result>
  close(): Promise<void>
}
