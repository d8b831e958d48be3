// IPAMConfiguration: how nodes take blocks and give addresses, for the whole cluster.

import * as v from 'valibot'
import { integer, seconds } from '../fields.ts'
import { defineKind, type Resource } from '../kind.ts'
import { described } from '../schema.ts'

const longest = 7 * 24 * 3600
const upToAWeek = (why: string) => seconds(count => count >= 0 && count <= longest, `from 0 to ${longest} seconds`, why)

const spec = v.strictObject({
  maxBlocksPerHost: v.optional(
    described(
      integer('number', 0, 65_536, 'It is a number of blocks; 0 sets no limit.'),
      'So many blocks of each family a node may own; 0: no limit. Parts of other blocks do not count.',
    ),
    20,
  ),
  ipCooldownSeconds: v.optional(
    described(
      upToAWeek('So long an address is given to no other pod after its last one has ended.'),
      'Time that an address rests before another pod gets it, unless that pod asks for it by name. Whatever it is, the address that is free for longest comes first.',
    ),
    0,
  ),
  freeEmptyBlocksAfter: v.optional(
    described(
      upToAWeek('So long a block stays with its node after its last pod has ended.'),
      'Time after which a block without addresses in use goes back to its pool.',
    ),
    300,
  ),
  keepBlocks: v.optional(
    described(
      integer('number', 0, 1_000, 'It is a number of blocks.'),
      'So many blocks with a free address a node keeps of each pool, even if they are empty, so that the next pods need no datastore; 0: none, nor is one claimed before it is needed.',
    ),
    1,
  ),
})

export type IPAMConfigurationSpec = v.InferOutput<typeof spec>
export type IPAMConfigurationResource = Resource<'IPAMConfiguration', IPAMConfigurationSpec>

export const ipamConfiguration = defineKind({
  kind: 'IPAMConfiguration',
  plural: 'ipamconfigurations',
  short: ['ipamconfig', 'ipamconfigs'],
  summary:
    'How nodes take blocks and give addresses. There is one object, called `default`; without it the defaults hold.',
  spec,
  onlyName: 'default',
  foreign: {
    strictAffinity: {
      why: 'A node gives only addresses of its own: it never borrows from a block of another node.',
      fix: 'Write strictAffinity: true, or remove it.',
      same: value => value === true,
    },
    autoAllocateBlocks: {
      why: 'A node takes another block when its own are full.',
      fix: 'Set maxBlocksPerHost to limit it.',
      same: value => value === true,
    },
  },
  example: `apiVersion: margay.io/v1
kind: IPAMConfiguration
metadata:
  name: default
spec:
  maxBlocksPerHost: 8
  ipCooldownSeconds: 30
`,
})
