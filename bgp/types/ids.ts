// Families and ids: what everything is counted and named by.

export type Family = 'ipv4-unicast' | 'ipv6-unicast'

/** A configured neighbour, dense from 0; reused only after every cursor has passed its routes. */
export type PeerId = number & { readonly _: 'PeerId' }
/** One TCP connection. A peer may own two for a moment (RFC 4271 §6.8). */
export type ConnId = number & { readonly _: 'ConnId' }
/** A prefix known to one family's RIB, dense from 1; 0 = none. */
export type PrefixId = number & { readonly _: 'PrefixId' }
/** An interned attribute set of one family, next hop included, dense from 1; 0 = none. */
export type SetId = number & { readonly _: 'SetId' }

/**
 * What a peer is to us: of another AS, of our own, or of another member AS of our confederation (RFC 5065), which counts as
 * internal but for loops and for who tells whom.
 */
export type SessionKind = 'ebgp' | 'ibgp' | 'confed-ebgp'
