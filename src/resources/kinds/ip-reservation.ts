// IPReservation: addresses of pools that pods get only by name.

import * as v from 'valibot'
import { cidr } from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { described } from '../schema.ts'

const spec = v.strictObject({
  reservedCIDRs: described(
    v.pipe(v.array(cidr()), v.metadata({ form: 'list of CIDRs' })),
    'Addresses that are given only to pods that ask for them by name. What is in use stays. One address is a /32 or /128.',
  ),
})

export type IPReservationSpec = v.InferOutput<typeof spec>
export type IPReservationResource = Resource<'IPReservation', IPReservationSpec>

export const ipReservation = defineKind({
  kind: 'IPReservation',
  plural: 'ipreservations',
  short: ['ipreservation', 'reservations'],
  summary: 'Addresses within pools that no pod gets unless it asks for them by name.',
  spec,
  foreign: {},
  example: `apiVersion: margay.io/v1
kind: IPReservation
metadata:
  name: old-machines
spec:
  reservedCIDRs: [10.42.0.0/28, 10.42.7.53/32]
`,
})
