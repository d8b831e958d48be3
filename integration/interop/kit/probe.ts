// The OPEN of a daemon, asked for by hand: which capabilities it announces (RFC 5492, RFC 9072).

import { tcpWith } from '../../../bgp/index.ts'
import { HEADER_LENGTH, messageLength, OPEN } from '../../../bgp/wire/header.ts'
import { encodeOpen } from '../../../bgp/wire/open.ts'
import { sockets } from '../../../netlink/socket.ts'
import { OUR_AS } from './cell.ts'
import type { Host } from './lan.ts'

/** Codes of the capabilities in the OPEN that the daemon sends to one that dials from this host; none if it sends none. */
export async function capabilitiesOf(from: Host, to: Host): Promise<readonly number[]> {
  const transport = tcpWith(sockets({ netns: from.netns }))
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const open = await new Promise<Uint8Array | undefined>(resolve => {
      const failed = () => resolve(undefined)
      transport.connect(
        { address: to.ipv4, port: 179 },
        conn => {
          let octets = new Uint8Array(0)
          conn.onClose(failed)
          conn.onData(more => {
            octets = Uint8Array.from([...octets, ...more])
            if (octets.length < HEADER_LENGTH || octets.length < messageLength(octets, 0)) return
            conn.close(false)
            resolve(octets[18] === OPEN ? octets.slice(HEADER_LENGTH, messageLength(octets, 0)) : undefined)
          })
          const capabilities = [
            { kind: 'fourOctetAs', asn: OUR_AS },
            { kind: 'multiprotocol', afi: 1, safi: 1 },
          ] as const
          conn.write([encodeOpen({ asn: OUR_AS, holdTime: 90, routerId: 1, capabilities })], () => {})
        },
        failed,
      )
    })
    if (open) return codes(open)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return []
}

/** Version, AS, hold time and identifier come first; then parameters, of which type 2 is capabilities. */
function codes(open: Uint8Array): number[] {
  const extended = open[9] === 255 && open[10] === 255
  const found: number[] = []
  for (let at = extended ? 13 : 10; at < open.length;) {
    const length = extended ? open[at + 1] * 256 + open[at + 2] : open[at + 1]
    const from = at + (extended ? 3 : 2)
    if (open[at] === 2) for (let c = from; c < from + length; c += 2 + open[c + 1]) found.push(open[c])
    at = from + length
  }
  return found
}
