// How an etcd is reached. Credentials are named here, never given: they stand in files or in the environment.

export interface EtcdSettings {
  /** `https://host:port`, `http://host:port` or `unix:/path`. One after the other is tried. */
  readonly endpoints: readonly string[]
  /** All keys are below it: `/margay/Node/r1n1`. */
  readonly prefix: string
  /** Records a page of a list. */
  readonly pageSize: number
  /** How long a call may take, at all endpoints together, milliseconds. */
  readonly timeout: number
  /** Paths of PEM files. They are read again when they change. */
  readonly tls?: {
    /** Who signed the members' certificates. Default: what Node trusts. */
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
  }
  /** A user of etcd; the password is what a file holds, or an environment variable. */
  readonly auth?: {
    readonly username: string
    readonly passwordFile?: string
    readonly passwordEnv?: string
  }
}
