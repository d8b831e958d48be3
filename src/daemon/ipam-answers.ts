// What the daemon answers about addresses, and what it does to them on the operator's word.

import { parseAddress } from '../../inet/index.ts'
import type { Handlers } from '../api/server.ts'
import { RequestError } from '../api/server.ts'
import { type Ipam, IpamError, type IpamSnapshot } from '../ipam/index.ts'
import { endpointKey } from '../model/endpoint.ts'
import type { IpamCheck } from './ipam-check.ts'
import type { Pods } from './pods.ts'
import { isTunnelOwner } from './tunnels.ts'

export interface IpamRooms {
  readonly node: string
  readonly ipam: Ipam
  readonly pods: Pods
  readonly ipamCheck: IpamCheck
  /** Blocks with room that stay. */
  readonly keepBlocks: () => number
}

type Answers = '/v1/ipam' | '/v1/ipam/check' | '/v1/ipam/fix' | '/v1/ipam/release' | '/v1/ipam/gc'

export function ipamAnswers({ node, ipam, pods, ipamCheck, keepBlocks }: IpamRooms): Pick<Handlers, Answers> {
  return {
    '/v1/ipam': () => {
      const { blocks, addresses, problems } = ipam.show()
      const { expelled } = ipam
      // What keeps it from the datastore is told there.
      const why =
        ipam.isWhole || addresses.length === 0
          ? []
          : [`Whether the datastore is there and takes writes, and why not: margayctl status.`]
      return { node, blocks, addresses, problems: [...problems, ...why], ...(expelled !== undefined && { expelled }) }
    },

    '/v1/ipam/check': async () => ({ node, findings: await ipamCheck.run({ fix: false }) }),

    '/v1/ipam/fix': async () => ({ node, findings: await ipamCheck.run({ fix: true }) }),

    '/v1/ipam/release': async ({ address: text }) => {
      const address = parseAddress(text)
      if (!address) throw new RequestError(400, `${text} is no IP address`)
      const row = ipam.show().addresses.find(each => each.address === text)
      if (!row)
        throw new RequestError(
          404,
          `address ${text}: node "${node}" has given it to nobody. Who has: margayctl ipam show ${text}`,
        )
      if (isTunnelOwner(row))
        throw new RequestError(
          400,
          `address ${text}: it is that of ${row.containerId} of this node, which gives it back itself`,
        )
      const name = row.label ?? `${row.containerId}/${row.ifName}`
      const released = await pods.between(row, async () => {
        if ((await pods.records()).some(({ addresses }) => addresses.includes(text)))
          throw new RequestError(
            400,
            `address ${text}: pod ${name} is attached with it. Delete the pod; if it is gone already: margayctl ipam check`,
          )
        return ipam.releaseExcept(each => each.address !== text || endpointKey(each) !== endpointKey(row))
      })
      return { node, released }
    },

    '/v1/ipam/gc': async () => {
      const before = ipam.show().addresses
      const findings = await ipamCheck.run({ fix: true, only: ['leak', 'no-endpoint'] })
      // A pod that is gone may have been recorded with what another one has by now.
      const fixed = new Set(findings.filter(each => each.fixed).flatMap(({ object }) => object.split(' ')))
      const still = new Set(ipam.show().addresses.map(givingOf))
      const released = before.filter(row => fixed.has(row.address) && !still.has(givingOf(row))).map(row => row.address)
      try {
        return { node, released, blocks: await ipam.releaseEmptyBlocks(keepBlocks()) }
      } catch (error) {
        // What was released is told all the same.
        if (error instanceof IpamError && error.code === 'unreachable')
          return { node, released, blocks: [], kept: error.message }
        throw error
      }
    },
  }
}

/** Of one address, told from others of it. */
function givingOf(row: IpamSnapshot['addresses'][number]): string {
  return `${row.address} ${endpointKey(row)} ${row.since}`
}
