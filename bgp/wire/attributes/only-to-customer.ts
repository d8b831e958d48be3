// Only to Customer (RFC 9234 §5): the AS whose customers alone may be told of the route from there on. Once set it stays as
// it is; who sets it and who obeys it is in session/roles.ts and groups/export-rules.ts.

import { type AttributeType, OPTIONAL, TRANSITIVE } from '../attribute.ts'
import { putUint32, uint32 } from './as-path.ts'
import { fourOctets } from './numbers.ts'

export const onlyToCustomer: AttributeType<number> = {
  code: 35,
  name: 'ONLY_TO_CUSTOMER',
  flags: OPTIONAL | TRANSITIVE,
  part: 'route',
  validate: (_, from, to) => fourOctets(from, to),
  onError: 'withdraw',
  decode: uint32,
  encode: asn => {
    const octets = new Uint8Array(4)
    putUint32(octets, 0, asn)
    return octets
  },
}
