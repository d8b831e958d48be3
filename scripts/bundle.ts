// Makes bundles with rollup: each entry one file, what several of them need in shared/.

import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import commonjsPlugin from '@rollup/plugin-commonjs'
import jsonPlugin from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import protobuf from 'protobufjs'
import { type Plugin, rollup } from 'rollup'
import type { Bundle } from './build.ts'
import { launcher } from './launcher.ts'

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

export async function writeBundle({
  entries,
  programs,
  launched = new Set(),
  into,
}: Omit<Bundle, 'sources'>): Promise<void> {
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
  for (const name of launched) {
    const path = join(into, `${name}.js`)
    writeFileSync(path, launcher(name, `./shared/${name}.js`))
    chmodSync(path, 0o755)
  }
}
