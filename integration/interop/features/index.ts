// The rows of the matrix, in the order of the table.

import { addPathReceive, addPathSend } from './add-path.ts'
import { fourOctetAs, twoOctetAs } from './as-numbers.ts'
import { collisionOurs, collisionTheirs } from './collision.ts'
import { gracefulShutdown, largeCommunities } from './communities.ts'
import { theyListen, weListen } from './dynamic.ts'
import { dualStack, ebgpIpv4, ebgpIpv6 } from './ebgp.ts'
import { extendedMessages } from './extended-messages.ts'
import { extendedNextHop } from './extended-next-hop.ts'
import type { Feature } from './feature.ts'
import { weHelp, weRestart } from './graceful-restart.ts'
import { ourPrefixLimit, theirPrefixLimit } from './limits.ts'
import { weAreLongAway, weHelpLong } from './long-lived.ts'
import { gtsmTheyDial, gtsmWeDial, md5TheyDial, md5WeDial } from './protection.ts'
import { ibgpSession, theyReflect, weReflect } from './reflection.ts'
import { rolesWeCustomer, rolesWeProvider } from './roles.ts'
import { theyRefresh, weRefresh } from './route-refresh.ts'
import { ourShutdown, theirShutdown } from './shutdown.ts'

export const features = {
  ebgpIpv4,
  ebgpIpv6,
  dualStack,
  ibgpSession,
  weReflect,
  theyReflect,
  fourOctetAs,
  twoOctetAs,
  md5WeDial,
  md5TheyDial,
  gtsmWeDial,
  gtsmTheyDial,
  theyRefresh,
  weRefresh,
  weHelp,
  weRestart,
  weHelpLong,
  weAreLongAway,
  addPathSend,
  addPathReceive,
  extendedMessages,
  extendedNextHop,
  rolesWeCustomer,
  rolesWeProvider,
  largeCommunities,
  ourPrefixLimit,
  theirPrefixLimit,
  theirShutdown,
  ourShutdown,
  gracefulShutdown,
  weListen,
  theyListen,
  collisionTheirs,
  collisionOurs,
} as const satisfies Record<string, Feature>

export type FeatureName = keyof typeof features
export const featureNames = Object.keys(features) as readonly FeatureName[]
