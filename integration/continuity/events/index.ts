// The rows of docs/continuity.md, in order. A new event is a file beside this one, or a part of one, and its name here; a fabric's test
// file says where it is tried.

import type { ContinuityEvent } from '../kit/event.ts'
import { moved } from './addresses.ts'
import { drained, meshed, reloaded, translated, wrapped } from './changes.ts'
import { datastoreLost } from './datastore.ts'
import { flapped, oneOfTwoPulled } from './links.ts'
import { killed, reflectorsKilled, stopped, upgraded } from './restarts.ts'
import { oneOfTwoTorsKilled, torKilled, torRestarted } from './routers.ts'
import { conflicting, flushed } from './strangers.ts'

export const events: readonly ContinuityEvent[] = [
  stopped,
  upgraded,
  reloaded,
  translated,
  wrapped,
  moved,
  drained,
  meshed,
  torRestarted,
  killed,
  reflectorsKilled,
  datastoreLost,
  flushed,
  conflicting,
  flapped,
  oneOfTwoPulled,
  torKilled,
  oneOfTwoTorsKilled,
]
