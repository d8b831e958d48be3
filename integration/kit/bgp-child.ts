// A speaker in a process of its own, so that it can live in a network namespace. The parent calls it over IPC: see
// bgp-pair.ts.

import { Speaker, tcpWith } from '../../bgp/index.ts'
import { discovery } from '../../netlink/discovery.ts'
import { sockets } from '../../netlink/socket.ts'
import type { Family, Origination, PathView, PeerStatus, PrefixId } from '../../bgp/types.ts'
import type { SimpleConfig } from '../../bgp/simple-config.ts'

export type Call =
  | { readonly call: 'start'; readonly config: SimpleConfig; readonly sockets?: boolean }
  | { readonly call: 'configure'; readonly config: SimpleConfig }
  | { readonly call: 'originate'; readonly prefixes: readonly string[] }
  | { readonly call: 'announce'; readonly list: readonly Origination[] }
  | { readonly call: 'complete' }
  | { readonly call: 'paths'; readonly family: Family; readonly prefix: string }
  | { readonly call: 'state' }
  | { readonly call: 'stop'; readonly mode: 'cease' | 'restart' }

export interface State {
  readonly peers: readonly PeerStatus[]
  readonly best: readonly PathView[]
  readonly reports: readonly string[]
}

let speaker: Speaker | undefined
const reports: string[] = []

process.on('message', async (message: Call) => {
  try {
    process.send?.({ result: await answer(message) })
  } catch (error) {
    process.send?.({ error: String(error) })
  }
})

async function answer(message: Call): Promise<unknown> {
  if (message.call === 'start') {
    speaker = new Speaker(
      message.config,
      message.sockets ? { transport: tcpWith(sockets()), discovery: discovery() } : {},
    )
    speaker.on('peer', report => reports.push(report.text))
    speaker.on('incident', report => reports.push(report.text))
    return speaker.start()
  }
  if (!speaker) throw new Error('not started')
  return act(speaker, message)
}

function act(speaker: Speaker, message: Exclude<Call, { call: 'start' }>): unknown {
  switch (message.call) {
    case 'configure':
      return speaker.configure(message.config)
    case 'originate':
      return speaker.originate(message.prefixes.map(prefix => ({ prefix })))
    case 'announce':
      return speaker.originate(message.list)
    case 'complete':
      speaker.setComplete(true)
      return undefined
    case 'paths': {
      const rib = speaker.engine.rib(message.family)
      const id = rib.lookup(message.prefix)
      return id === undefined ? [] : rib.paths(id)
    }
    case 'state': {
      const best = [...table(speaker, 'ipv4-unicast'), ...table(speaker, 'ipv6-unicast')]
      return { peers: speaker.status(), best, reports }
    }
    case 'stop':
      return speaker.stop(message.mode)
  }
}

function table(speaker: Speaker, family: Family): PathView[] {
  const rows: PathView[] = []
  let from = 1 as PrefixId
  do {
    const page = speaker.engine.rib(family).walk('loc', null, from, 1000)
    rows.push(...page.rows.map(row => ({ ...row })))
    from = page.next
  } while (from !== 0)
  return rows
}
