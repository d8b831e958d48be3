// What netlink-ts brings where it is installed, or another module in its place: sockets with options, and who is at the other
// end of a link.

import { pathToFileURL } from 'node:url'
import { tcpWith } from '../transport/protected.ts'
import type { Discovery, SocketMaker, Transport } from '../transport/transport.ts'

/** Sockets with options where there is a module for them; undefined: plain TCP. */
export async function transportOf(module: string | undefined): Promise<Transport | undefined> {
  const sockets = (await load('sockets', module, 'netlink-ts/socket')) as (() => SocketMaker) | undefined
  return sockets && tcpWith(sockets())
}

/** Finds peers with `interface`, where there is a module for that. */
export async function discoveryOf(module: string | undefined): Promise<Discovery | undefined> {
  const discovery = (await load('discovery', module, 'netlink-ts/discovery')) as (() => Discovery) | undefined
  return discovery?.()
}

/** The function of that name; undefined where no module was asked for and the usual one is not there. */
async function load(name: string, module: string | undefined, usual: string): Promise<(() => unknown) | undefined> {
  const from = module === undefined ? usual : fromHere(module)
  let found: { readonly [name: string]: unknown }
  try {
    found = (await import(from)) as typeof found
  } catch (error) {
    if (module === undefined) return undefined
    throw new Error(`--${name} ${module} cannot be loaded: ${String(error)}; give a module like ${usual}`, {
      cause: error,
    })
  }
  const make = found[name]
  if (typeof make === 'function') return make as () => unknown
  throw new Error(`--${name} ${from} has no function ${name}(): give a module like ${usual}`)
}

function fromHere(module: string): string {
  return /^[./]/.test(module) ? pathToFileURL(module).href : module
}
