// Encapsulations: how packets for another node's pods get there when the network between does not know pods.

export { mtuWithin } from './kinds.ts'
export { type DesiredTunnel, type TunnelFaults, Tunnels } from './tunnels.ts'
