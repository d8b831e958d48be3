// bgp-speaker/core: the speaker without sockets and clock, and what drives it on a network of one's own.

export { Engine, type EngineOptions } from './core/engine.ts'
export { Driver } from './transport/driver.ts'
export { MemoryNetwork, VirtualClock, type LinkOptions } from './transport/memory.ts'
export { SimulatedSpeaker, Simulation } from './transport/simulation.ts'
export type * from './transport/transport.ts'
export type * from './groups/port.ts'
export type * from './rib/port.ts'
export * from './types.ts'
