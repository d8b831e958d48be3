// AS numbers of 4 octets (RFC 6793), among speakers that know them, and with one that does not.

import { capabilitiesOf } from '../kit/probe.ts'
import type { Feature } from './feature.ts'

/** Its capability. */
const FOUR_OCTET_AS = 65

const BIG = 4200000001
const BIGGER = 4200000002

export const fourOctetAs: Feature = {
  title: '4-octet AS numbers (RFC 6793)',
  async run(cell) {
    const pair = await cell.pair({
      ourAs: BIG,
      theirAs: BIGGER,
      theirRoutes: [{ prefix: '10.2.0.0/24', path: [BIGGER] }],
    })
    await cell.weHave(pair, [{ prefix: '10.2.0.0/24', asPath: `${BIGGER} ${BIGGER}` }])
    await cell.daemonHas(pair, [
      { prefix: '10.1.0.0/24', asPath: `${BIG}` },
      { prefix: '10.1.1.0/26', asPath: `${BIG}` },
    ])
  },
}

export const twoOctetAs: Feature = {
  title: 'A daemon of 2-octet AS numbers (AS_TRANS, AS4_PATH)',
  async run(cell) {
    const export_ = {
      rules: [{ name: 'prepend', then: 'accept', set: { prepend: { asn: BIG, count: 1 } } }],
      otherwise: 'reject',
    } as const
    const wanted = { theirNeighbour: { twoOctetAs: true }, ourPeer: { export: export_ } } as const
    const theirs = await cell.startTheirs(cell.theirPlan(wanted))
    const announced = await capabilitiesOf(cell.host('ours'), cell.host('theirs'))
    cell.t.notOk(announced.includes(FOUR_OCTET_AS), 'its OPEN does not know 4-octet AS numbers')
    await theirs.kill()
    const pair = await cell.pair(wanted)
    await cell.weHave(pair, [
      { prefix: '10.2.0.0/24', asPath: '65002' },
      { prefix: '10.2.1.0/26', asPath: '65002' },
    ])
    // RFC 6793 §4.2.2: AS_TRANS stands for the big number; who reads AS4_PATH has it all the same.
    const asPath = new RegExp(`^65001 (23456|${BIG})$`)
    await cell.daemonHas(pair, [
      { prefix: '10.1.0.0/24', asPath },
      { prefix: '10.1.1.0/26', asPath },
    ])
  },
}
