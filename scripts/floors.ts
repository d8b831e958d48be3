// Fails when an import goes up or sideways in the house (docs/design.md, "The house"). A room may import from rooms on lower floors,
// from itself, and from what `also` says.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const floors: readonly (readonly string[])[] = [
  ['inet'],
  ['bgp', 'netlink'],
  ['src/resources', 'src/model', 'src/datastore'],
  ['src/ipam', 'src/plan', 'src/fib', 'src/dataplane', 'cni-plugin'],
  ['src/api'],
  ['src/daemon'],
  ['src/cli', 'src/lab'],
]

/** Imports that the house allows beside the floors, each with its reason. */
const also: readonly { readonly from: string; readonly to: string; readonly why: string }[] = [
  { from: 'src/cli', to: 'src/lab', why: '`margayctl lab` is a verb like any other' },
]

/** Rooms inside bgp/, lowest first: a room imports from earlier ones and from its own. */
const bgpRooms: readonly string[] = [
  'types',
  'types.ts',
  'wire',
  'tables',
  'policy',
  'rib',
  'groups',
  'fsm',
  'session',
  'core',
  'transport',
  '', // the shell: files beside the rooms
  'bmp',
  'mrt',
  'cli',
]

/** Folders of which only these packages may be imported at run time. */
const packages: Readonly<Record<string, readonly string[]>> = { inet: [], bgp: [], netlink: [] }

/** Where a module names another. */
const specifiers = /^(?:import|export)\s(?:[^'";]*?\bfrom\s)?'([^']+)'|\bimport\(\s*'([^']+)'/gm
/** Tests, and what only tests use. */
const testFile = /(\.test|\/test-[a-z-]+|\/testing|-suite)\.ts$/

interface Room {
  readonly name: string
  readonly floor: number
}

const roomOf = (file: string): Room | undefined => {
  for (const [floor, names] of floors.entries()) {
    const name = names.find(name => file.startsWith(`${name}/`))
    if (name) return { name, floor }
  }
  return undefined
}

const bgpRoomOf = (file: string): number => {
  const inside = file.slice('bgp/'.length)
  const found = bgpRooms.findIndex(room => room !== '' && (inside === room || inside.startsWith(`${room}/`)))
  return found < 0 ? bgpRooms.indexOf('') : found
}

/** What is wrong with one import, or undefined. */
function fault(file: string, specifier: string, isTest: boolean): string | undefined {
  const from = roomOf(file)
  if (!from) return undefined
  if (!specifier.startsWith('.')) {
    const allowed = packages[from.name]
    return specifier.startsWith('node:') || isTest || !allowed || allowed.includes(specifier)
      ? undefined
      : `${from.name}/ has no run-time dependency`
  }
  const target = join(dirname(file), specifier)
  const to = roomOf(target)
  if (!to) return target.startsWith('integration/') && isTest ? undefined : `${target} is in no room of the house`
  if (from.name === 'bgp' && to.name === 'bgp' && !isTest && bgpRoomOf(target) > bgpRoomOf(file))
    return `inside bgp/, ${bgpRooms[bgpRoomOf(file)]} stands below ${bgpRooms[bgpRoomOf(target)] || 'the shell'}`
  if (to.name === from.name || to.floor < from.floor) return undefined
  if (also.some(rule => rule.from === from.name && rule.to === to.name)) return undefined
  return to.floor === from.floor
    ? `sideways: ${from.name} and ${to.name} share a floor`
    : `up: ${to.name} stands above ${from.name}`
}

let faults = 0
for (const file of globSync('{inet,bgp,netlink,src,cni-plugin}/**/*.ts', { cwd: root }).toSorted()) {
  if (/(^|\/)(dist|node_modules)\//.test(file)) continue
  const text = readFileSync(join(root, file), 'utf8')
  for (const match of text.matchAll(specifiers)) {
    const wrong = fault(relative(root, join(root, file)), match[1] ?? match[2], testFile.test(file))
    if (!wrong) continue
    faults++
    const line = text.slice(0, match.index).split('\n').length
    console.error(`${file}:${line} imports ${match[1] ?? match[2]}: ${wrong}`)
  }
}
process.exit(faults === 0 ? 0 : 1)
