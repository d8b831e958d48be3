// Builds what runs outside the source tree, and only when its sources are newer: the native parts, the bundles of margayd and
// margayctl (dist/), and, when named, the two libraries for npm (`node scripts/build.ts bgp`, `… netlink`).

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import commonjsPlugin from '@rollup/plugin-commonjs'
import jsonPlugin from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import protobuf from 'protobufjs'
import { type Plugin, rollup } from 'rollup'
import { launcher } from './launcher.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const addon = `netlink-${process.platform}-${process.arch}.node`

// Both declare their function as if it were a member of the module.
const commonjs = commonjsPlugin as unknown as () => Plugin
const json = jsonPlugin as unknown as () => Plugin

/** Types off, nothing else changed: what Node itself does when it runs the sources. */
const stripTypes: Plugin = {
  name: 'strip-types',
  transform: (code, id) =>
    id.endsWith('.ts') ? { code: stripTypeScriptTypes(code, { mode: 'strip' }), map: null } : null,
}

/** etcd3 reads its protocol from files beside it; a bundle has none, so they go into it. */
const etcdProtocol: Plugin = {
  name: 'etcd-protocol',
  transform(code, id) {
    if (!id.endsWith('/etcd3/lib/connection-pool.js')) return null
    const call = /\(0, proto_loader_1\.loadSync\)\(`\$\{__dirname\}([^`]+)`/
    const [, file] = call.exec(code) ?? []
    if (file === undefined) return this.error('etcd3 loads its protocol otherwise than it did: see etcdProtocol')
    const protocol = JSON.stringify(new protobuf.Root().loadSync(join(id, '..', file), { keepCase: true }).toJSON())
    return { code: code.replace(call, () => `(0, proto_loader_1.fromJSON)(${protocol}`), map: null }
  },
}

interface Bundle {
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
]

async function bundle({ entries, programs, launched = new Set(), into, sources }: Bundle): Promise<void> {
  if (Object.keys(entries).every(name => isNewer(join(into, `${name}.js`), sources))) return
  console.error(
    `build: ${Object.keys(entries)
      .map(name => join(into, `${name}.js`))
      .join(', ')}`,
  )
  const build = await rollup({
    input: entries,
    external: [/^node:/],
    plugins: [stripTypes, etcdProtocol, nodeResolve({ preferBuiltins: true }), commonjs(), json()],
    onwarn: warning => {
      if (warning.code !== 'CIRCULAR_DEPENDENCY' || !warning.message.includes('node_modules'))
        throw new Error(warning.message)
    },
  })
  rmSync(join(into, 'shared'), { recursive: true, force: true })
  await build.write({
    dir: into,
    format: 'es',
    entryFileNames: chunk => (launched.has(chunk.name) ? 'shared/[name].js' : '[name].js'),
    chunkFileNames: 'shared/[name]-[hash].js',
    banner: chunk => (chunk.isEntry && programs.has(chunk.name) ? '#!/usr/bin/env node' : ''),
  })
  await build.close()
  for (const name of launched) writeFileSync(join(into, `${name}.js`), launcher(name, `./shared/${name}.js`))
}

async function programs(): Promise<void> {
  mkdirSync('dist', { recursive: true })
  execFileSync('node', ['netlink/native/build.ts'], { stdio: 'inherit' })
  execFileSync('node', ['cni-plugin/stub/build.ts'], { stdio: 'inherit' })
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
  const built = join('netlink/dist', addon)
  if (!isNewer(join('dist', addon), [built])) copyFileSync(built, join('dist', addon))
}

/** A library folder's dist/: ESM bundles with inet inside, and declarations. */
async function library(
  folder: 'bgp' | 'netlink',
  entries: Readonly<Record<string, string>>,
  executables: Readonly<Record<string, string>> = {},
): Promise<void> {
  const into = join(folder, 'dist')
  if (folder === 'netlink') execFileSync('node', ['netlink/native/build.ts'], { stdio: 'inherit' })
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
