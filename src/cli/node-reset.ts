// `margayctl node reset`: this machine as it was before margayd.

import type { Command } from 'commander'
import { describeOurs, protocolName } from '../dataplane/index.ts'
import { findLeftovers, type Leftovers, removeLeftovers, StillRunning } from '../daemon/reset.ts'
import type { Context } from './context.ts'
import { CommandError, print } from './output.ts'

export function registerReset(node: Command, context: Context): void {
  node
    .command('reset')
    .description('list what margayd has made in the kernel of this machine; with --yes, remove it')
    .option('--yes', 'remove it: pods of this machine lose their network')
    .option('--state', "also this node's own store, spool and sockets: it forgets which addresses its pods have")
    .action(async ({ yes = false, state = false }: { yes?: boolean; state?: boolean }) => {
      if (process.getuid?.() !== 0) throw new CommandError(1, 'node reset reads and writes the kernel: run it as root')
      const config = context.config()
      try {
        const { problems, ...found } = yes
          ? await removeLeftovers(config, { state })
          : { ...(await findLeftovers(config)), problems: [] }
        print(context.format(), viewOf(found, state), () => resetText(found, { yes, state }))
        if (problems.length > 0) throw new CommandError(1, problems.join('\n'))
      } catch (error) {
        if (error instanceof StillRunning) throw new CommandError(1, error.message)
        throw error
      }
    })
}

/** One line an object, under the words by which `ip`, `nft` and `sysctl` know it. */
function viewOf({ kernel, files }: Leftovers, state: boolean): Readonly<Record<string, readonly string[]>> {
  return {
    routes: kernel.routes.map(
      ({ dst, type, metric }) => `${type === 'unicast' ? '' : `${type} `}${dst} metric ${metric}`,
    ),
    pods: kernel.pods.map(({ name }) => name),
    tunnels: kernel.tunnels.map(({ name, kind }) => `${name} (${kind})`),
    stacked: kernel.stacked.map(({ name, kind, on }) => `${name} (${kind ?? 'device'}) on ${on.name}`),
    lost: kernel.lost.map(({ dst, protocol, table }) => `${dst} proto ${protocolName(protocol)} table ${table ?? 254}`),
    iptables: kernel.iptables.map(describeOurs),
    ports: kernel.ports.map(({ port, type, local }) => `${local} port ${port} (${type === 'gue' ? 'GUE' : 'FoU'})`),
    nftables: kernel.filters ? ['table inet margay'] : [],
    sysctls: kernel.sysctls.map(({ name, value }) => `${name} back to ${value}${consequence(name, value)}`),
    files: state ? files : [],
  }
}

/** Who came after margayd may rely on what it found set. */
function consequence(name: string, value: string): string {
  const forwards = /^net\/(?:ipv4\/ip_forward|ipv[46]\/conf\/\w+\/forwarding)$/.test(name)
  return forwards && value === '0'
    ? ': this machine forwards for nobody then; set it to 1 again if a container engine or a VPN here needs it'
    : ''
}

const heads: Readonly<Record<string, string>> = {
  routes: 'routes',
  pods: 'interfaces of pods, which lose their network',
  tunnels: 'tunnel devices, with their addresses, neighbours and forwarding entries',
  stacked: 'of others, on devices above, which stay until these are removed',
  lost: 'routes of others by devices above, which go with the devices',
  iptables: 'iptables',
  ports: 'UDP ports that unwrap tunnelled packets',
  nftables: 'nftables',
  sysctls: 'settings',
  files: 'files',
}

export function resetText(
  found: Leftovers,
  { yes, state }: { readonly yes: boolean; readonly state: boolean },
): string {
  const sections = Object.entries(viewOf(found, state)).filter(([, lines]) => lines.length > 0)
  if (sections.length === 0) return 'nothing of margayd is on this machine'
  const lines = sections.flatMap(([key, objects]) => [
    `${heads[key]} (${objects.length}):`,
    ...objects.map(text => `  ${text}`),
  ])
  const kept = !state && found.files.length > 0 ? [`kept: ${found.files.join(', ')}; --state removes them as well`] : []
  const end = yes ? 'removed' : 'nothing is removed yet: margayctl node reset --yes does it'
  return [...lines, ...kept, end].join('\n')
}
