// Keys of TCP-AO (RFC 5925) on sockets: Linux has it since 6.7, where it was built with CONFIG_TCP_AO.
//
// Keys hang on the remote address, like those of TCP-MD5, but an address has several, and a segment says which one it was made
// with. A listener's keys go over to the connections that come in. A connection is made with TCP-AO or without, for good (RFC
// 5925 §7.4.1); one that has it takes and gives up keys while it is open.

import { parsePrefix, type Prefix } from '../../inet/index.ts'
import { addon } from './addon.ts'
import { errnoName, errnoText, NetlinkError } from './errno.ts'
import {
  addRecord,
  deleteRecord,
  KEY_OCTETS,
  keyErrorText,
  keysRequest,
  MOST_SECRET_OCTETS,
  readKeys,
  requestRecord,
  TCP_AO_ADD_KEY,
  TCP_AO_DEL_KEY,
  TCP_AO_GET_KEYS,
  TCP_AO_INFO,
  type TcpAoIds,
  type TcpAoInUse,
  type TcpAoKey,
} from './tcp-ao.ts'

/** Each call but `lacks` throws a NetlinkError; no secret is in its words. `remote`: an address, or for a listener a prefix. */
export interface TcpAo {
  /** Asks the kernel by a socket of its own whether it would take such a key; if not, why, in words. */
  lacks(key: TcpAoKey): string | undefined
  /** `use`: send with it, and ask the peer to, from the first segment on; not on a listener. */
  add(fd: number, remote: string, key: TcpAoKey, use?: boolean): void
  /** The keys that a socket has; undefined: none, and a connection like that never has. */
  keys(fd: number): readonly TcpAoInUse[] | undefined
  /** Asks the peer to send with the key that has this RecvID here. When it has the key and does so, is up to it. */
  request(fd: number, receiveId: number): void
  /** EBUSY: a connection uses it; with `instead`, the key to use in its place, it goes all the same. */
  delete(fd: number, remote: string, key: TcpAoIds, instead?: TcpAoIds): void
}

/** asm-generic/socket.h, netinet/in.h */
const SOL_SOCKET = 1
const SO_DOMAIN = 39
const IPPROTO_TCP = 6
const AF_INET6 = 10

/** For documentation only (RFC 5737): nobody has it. */
const NOBODY = '192.0.2.1'

/** More than a peer mostly has; the kernel says if it is not enough. */
const USUAL_KEYS = 8

export const tcpAo: TcpAo = {
  lacks: key => {
    const fd = addon().tcpOpen(-1, 4, undefined, 0, false, false, false, undefined, 0, 0)
    if (fd < 0) return errnoText(errnoName(fd))
    try {
      tcpAo.add(fd, NOBODY, key)
      return undefined
    } catch (error) {
      return error instanceof NetlinkError ? (keyErrorText(error.code, key) ?? errnoText(error.code)) : String(error)
    } finally {
      addon().tcpClose(fd)
    }
  },

  add: (fd, remote, key, use = false) => {
    const octets = new TextEncoder().encode(key.secret).length
    const what = `the TCP-AO key ${key.sendId}/${key.receiveId} for ${remote}`
    if (octets > MOST_SECRET_OCTETS) throw new NetlinkError('EINVAL', `${what}: it has ${octets} octets`)
    const record = addRecord(placeOf(remote), key, isSix(fd), use)
    try {
      set(fd, TCP_AO_ADD_KEY, record, what, code => keyErrorText(code, key))
    } finally {
      record.fill(0)
    }
  },

  keys: fd => {
    for (let room = USUAL_KEYS; ;) {
      const records = keysRequest(room)
      const code = addon().getOption(fd, IPPROTO_TCP, TCP_AO_GET_KEYS, records, KEY_OCTETS)
      if (code < 0 && errnoName(code) === 'ENOENT') return undefined
      if (code < 0) throw failure(code, 'its TCP-AO keys')
      const { count, keys } = readKeys(records)
      // The kernel gives the secrets, too.
      records.fill(0)
      if (count <= room) return keys
      room = count
    }
  },

  request: (fd, receiveId) => set(fd, TCP_AO_INFO, requestRecord(receiveId), `TCP-AO with RecvID ${receiveId}`),

  delete: (fd, remote, key, instead) => {
    const what = `the TCP-AO key ${key.sendId}/${key.receiveId} for ${remote}`
    set(fd, TCP_AO_DEL_KEY, deleteRecord(placeOf(remote), key, isSix(fd), instead), what)
  },
}

function set(fd: number, name: number, record: Uint8Array, what: string, text?: (code: string) => string | undefined) {
  const code = addon().setOption(fd, IPPROTO_TCP, name, record)
  if (code < 0) throw failure(code, what, text)
}

function failure(errno: number, what: string, text?: (code: string) => string | undefined): NetlinkError {
  const code = errnoName(errno)
  return new NetlinkError(code, `${what}: ${text?.(code) ?? errnoText(code)}`)
}

function isSix(fd: number): boolean {
  const domain = new Int32Array(1)
  const code = addon().getOption(fd, SOL_SOCKET, SO_DOMAIN, new Uint8Array(domain.buffer), 4)
  if (code < 0) throw failure(code, 'the socket')
  return domain[0] === AF_INET6
}

/** The link of a link-local address is the socket's business. */
function placeOf(remote: string): Prefix {
  const place = parsePrefix(remote.replace(/%.*$/, ''))
  if (!place) throw new NetlinkError('EINVAL', `${remote} is no address and no prefix`)
  return place
}
