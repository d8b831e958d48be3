// The whole daemon, as a node that peers with routers.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { call } from '../../src/api/client.ts'
import type { Host } from '../../integration/interop/kit/lan.ts'
import type { DevicePlan } from './device.ts'

const program = (name: string): string => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url))

/** Files and sockets of it on its host. */
export function filesOf({ directory }: Host) {
  const at = (name: string): string => join(directory, name)
  return { config: at('margayd.yaml'), api: at('api.sock') }
}

export async function startDaemon(host: Host, plan: DevicePlan): Promise<void> {
  const { api } = filesOf(host)
  const at = (name: string): string => join(host.directory, name)
  const config = host.file(
    'margayd.yaml',
    stringify({
      node: { name: 'dut' },
      datastore: { type: 'embedded', path: at('cluster.db') },
      stateDir: at('state'),
      cni: { socket: at('cni.sock'), spoolDir: at('spool') },
      api: { socket: api },
    }),
  )
  const resources = host.file('resources.yaml', resourcesOf(plan))
  const said = await host.exec(process.execPath, program('margayctl'), '--config', config, 'apply', '-f', resources)
  if (!said.includes('dut')) throw new Error(`margayctl refused the resources: ${said}`)
  runDaemon(host, plan.profile)
}

/** Starts it with the files that are there. */
export function runDaemon(host: Host, profile?: string): void {
  const options = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile]
  host.spawn('margay', [process.execPath, ...options, program('margayd'), '--config', filesOf(host).config])
}

export async function isInSync(host: Host): Promise<boolean> {
  const status = await call(filesOf(host).api, '/v1/status', {}).catch(() => undefined)
  return status?.inSync === true && status.peers.established === status.peers.configured
}

function resourcesOf({ asn, local, legs, neighbours }: DevicePlan): string {
  const resource = (kind: string, name: string, spec: object): object => ({
    apiVersion: 'margay.io/v1',
    kind,
    metadata: { name },
    spec,
  })
  return [
    resource('Node', 'dut', { bgp: { asNumber: asn, ipv4Address: `${local}/${legs ? 32 : 16}` } }),
    resource('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false, holdTime: 240 }),
    ...neighbours.map(({ address, asn }, n) =>
      resource('BGPPeer', `n${n}`, {
        peerIP: address,
        asNumber: asn,
        passive: true,
        ...(legs && { sourceAddress: 'None' }),
      }),
    ),
  ]
    .map(each => `---\n${stringify(each)}`)
    .join('')
}
