// Every operation and the message that it becomes. A new operation is a member of `Operation` and a row here.

import { flag } from '../core/protocol.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { Operation } from '../types.ts'
import { writeAddress } from './address.ts'
import { writeFdbEntry } from './fdb.ts'
import type { OpenNamespace } from './link-info.ts'
import { writeLinkChange, writeLinkDelete, writeLinkMove, writeLinksDelete, writeNewLink } from './link.ts'
import { writeNeighbour } from './neighbour.ts'
import { writeRoute, writeRouteDelete } from './route.ts'
import { del, rtm, set } from './values.ts'

type Do = Operation['do']
type OperationOf<D extends Do, O = Operation> = O extends { readonly do: infer Any }
  ? D extends Any
    ? O
    : never
  : never

interface Row<D extends Do> {
  readonly type: number
  readonly flags: number
  readonly write: (writer: MessageWriter, operation: OperationOf<D>, openNamespace: OpenNamespace) => void
}

const add = flag.create | flag.exclusive
const replace = flag.create | flag.replace

const table: { readonly [D in Do]: Row<D> } = {
  'link.add': { type: rtm.link, flags: add, write: (w, o, open) => writeNewLink(w, o.link, open) },
  'link.set': { type: rtm.link + set, flags: 0, write: (w, o, open) => writeLinkChange(w, o.link, o.change, open) },
  'link.move': { type: rtm.link, flags: 0, write: (w, o, open) => writeLinkMove(w, o.link, o.to, open) },
  'link.delete': { type: rtm.link + del, flags: 0, write: (w, o) => writeLinkDelete(w, o.link) },
  'links.delete': { type: rtm.link + del, flags: 0, write: (w, o) => writeLinksDelete(w, o.group) },
  'address.add': { type: rtm.address, flags: add, write: (w, o) => writeAddress(w, o.address) },
  'address.replace': { type: rtm.address, flags: replace, write: (w, o) => writeAddress(w, o.address) },
  'address.delete': { type: rtm.address + del, flags: 0, write: (w, o) => writeAddress(w, o.address) },
  'route.add': { type: rtm.route, flags: add, write: (w, o) => writeRoute(w, o.route, o.key) },
  'route.replace': { type: rtm.route, flags: replace, write: (w, o) => writeRoute(w, o.route, o.key) },
  'route.delete': { type: rtm.route + del, flags: 0, write: (w, o) => writeRouteDelete(w, o.route, o.key) },
  'neighbour.replace': { type: rtm.neighbour, flags: replace, write: (w, o) => writeNeighbour(w, o.neighbour) },
  'neighbour.set': { type: rtm.neighbour, flags: flag.replace, write: (w, o) => writeNeighbour(w, o.neighbour) },
  'neighbour.delete': { type: rtm.neighbour + del, flags: 0, write: (w, o) => writeNeighbour(w, o.neighbour) },
  'fdb.replace': { type: rtm.neighbour, flags: replace, write: (w, o) => writeFdbEntry(w, o.entry) },
  'fdb.delete': { type: rtm.neighbour + del, flags: 0, write: (w, o) => writeFdbEntry(w, o.entry) },
}

const rows = table as Readonly<Record<Do, Row<Do>>>

/** Writes one operation as one message. @throws InvalidRequest, NetlinkError (a namespace that is not there) */
export function writeOperation(
  writer: MessageWriter,
  operation: Operation,
  sequence: number,
  openNamespace: OpenNamespace,
): void {
  const row = rows[operation.do]
  writer.begin(row.type, flag.request | row.flags, sequence)
  row.write(writer, operation, openNamespace)
  writer.end()
}
