// How many rows the one member of a group may be told of (`maxPrefixesOut` with `reject`), and which prefixes wait for room.
// A prefix that went away meanwhile may still be among them; it takes no room when its turn comes.

import { DirtyQueue } from '../tables/dirty-queue.ts'

export class Room {
  readonly most: number
  readonly leftOut: DirtyQueue

  constructor(most: number, reserve: number) {
    this.most = most
    this.leftOut = new DirtyQueue(reserve)
  }
}
