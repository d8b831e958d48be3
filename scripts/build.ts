// Builds what runs outside the source tree, and only when its sources are newer: the native parts, the bundles of margayd and
// margayctl (dist/), and, when named, the two libraries for npm (`node scripts/build.ts bgp`, `… netlink`).

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildStub } from '../cni-plugin/stub/build.ts'
import { build, output as addon } from '../netlink/native/build.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

export interface Bundle {
  /** Source files by the name of what is made of each. */
  readonly entries: Readonly<Record<string, string>>
  /** Those of them that run by their own name. */
  readonly programs: ReadonlySet<string>
  /** Those that people start: a Node too old for their syntax says so. They are beside what they share, behind a launcher. */
  readonly launched?: ReadonlySet<string>
  readonly into: string
  readonly sources: string[]
}

const isNewer = (output: string, sources: readonly string[]): boolean => {
  if (!existsSync(output)) return false
  const made = statSync(output).mtimeMs
  return sources.every(source => statSync(source).mtimeMs < made)
}

const sourcesOf = (...folders: string[]): string[] => [
  ...folders.flatMap(folder =>
    globSync(`${folder}/**/*.ts`, { exclude: path => /(^|\/)(dist|node_modules)$|\.test\.ts$/.test(path) }),
  ),
  'package-lock.json',
  'scripts/build.ts',
  'scripts/bundle.ts',
  'scripts/launcher.ts',
]

async function bundle({ sources, ...bundle }: Bundle): Promise<void> {
  const made = Object.keys(bundle.entries).map(name => join(bundle.into, `${name}.js`))
  if (made.every(file => isNewer(file, sources))) return
  console.error(`build: ${made.join(', ')}`)
  // Only now: to load what bundles costs more than to find that there is nothing to do, and each lab of a test asks.
  const { writeBundle } = await import('./bundle.ts')
  await writeBundle(bundle)
}

function buildAddon(): void {
  if (build() === 'built') console.error(`build: ${relative(root, addon)}`)
}

async function programs(): Promise<void> {
  mkdirSync('dist', { recursive: true })
  buildAddon()
  buildStub()
  await bundle({
    entries: {
      margayd: 'src/daemon/main.ts',
      margayctl: 'src/cli/main.ts',
      'store-worker': 'src/datastore/store-worker.ts',
    },
    programs: new Set(['store-worker']),
    launched: new Set(['margayd', 'margayctl']),
    into: 'dist',
    sources: sourcesOf('inet', 'bgp', 'netlink', 'src', 'cni-plugin'),
  })
  const copy = join('dist', basename(addon))
  if (!isNewer(copy, [addon])) copyFileSync(addon, copy)
}

/** A library folder's dist/: ESM bundles with inet inside, and declarations. */
async function library(
  folder: 'bgp' | 'netlink',
  entries: Readonly<Record<string, string>>,
  executables: Readonly<Record<string, string>> = {},
): Promise<void> {
  const into = join(folder, 'dist')
  if (folder === 'netlink') buildAddon()
  const programs = new Set(Object.keys(executables))
  await bundle({ entries: { ...entries, ...executables }, programs, into, sources: sourcesOf('inet', folder) })
  rmSync(join(into, 'types'), { recursive: true, force: true })
  const options = [
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--rewriteRelativeImportExtensions',
    '--stripInternal',
  ]
  const config = join(into, 'tsconfig.json')
  mkdirSync(into, { recursive: true })
  writeFileSync(
    config,
    JSON.stringify({
      extends: relative(into, join(root, 'tsconfig.json')),
      compilerOptions: { rootDir: relative(into, root), outDir: 'types' },
      files: Object.values(entries).map(entry => relative(into, entry)),
      include: [],
    }),
  )
  execFileSync('node_modules/.bin/tsc', ['-p', config, ...options], { stdio: 'inherit' })
  rmSync(config)
  copyFileSync('LICENSE', join(folder, 'LICENSE'))
}

const what = basename(process.argv[2] ?? '')
if (what === 'bgp') {
  const entries = {
    index: 'bgp/index.ts',
    core: 'bgp/core.ts',
    wire: 'bgp/wire.ts',
    mrt: 'bgp/mrt/index.ts',
    bmp: 'bgp/bmp/index.ts',
  }
  await library('bgp', entries, { cli: 'bgp/cli/main.ts' })
} else if (what === 'netlink')
  await library('netlink', {
    index: 'netlink/index.ts',
    socket: 'netlink/socket.ts',
    discovery: 'netlink/discovery.ts',
  })
else await programs()
