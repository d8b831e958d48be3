// TLS to a member that is named by its address.
//
// gRPC sends the host of the endpoint as the server name, also an address, which RFC 6066 §3 forbids and Node refuses. Without a
// server name Node compares the certificate with the host that it dials, so its subjectAltName has to have that address.

import type { ChannelCredentials } from '@grpc/grpc-js'
import type { Etcd3 } from 'etcd3'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'

/** Neither library has a setting for it, so their own objects are changed; every test with TLS would fail if they changed. */
export function withoutAddressAsServerName(etcd: Etcd3): void {
  const credentials = etcd['pool']['hosts'][0]['channelCredentials'] as ChannelCredentials
  const create = credentials._createSecureConnector.bind(credentials)
  credentials._createSecureConnector = (...given) => {
    const connector = create(...given) as ReturnType<typeof create> & { readonly connectionOptions: ConnectionOptions }
    if (isIP(connector.connectionOptions.host ?? '')) delete connector.connectionOptions.servername
    return connector
  }
}
