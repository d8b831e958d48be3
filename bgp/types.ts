// The words of the speaker: what its rooms and its users hand each other. Types only.

export * from './types/ids.ts'
export * from './types/config.ts'
export * from './types/peer-config.ts'
export * from './types/policy.ts'
export * from './types/routes.ts'
export * from './types/events.ts'
export * from './types/status.ts'
export * from './types/views.ts'
