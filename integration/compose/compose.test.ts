// docker-compose.yml as it stands, on a Docker engine of Debian that can reach no registry: the images are built by the Dockerfile as it
// stands, on bases made of this machine (base-image.ts). What is tried is in scripts/compose-smoke.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Dockerd } from '../kit/dockerd.ts'
import { baseImage, imagesOf } from './base-image.ts'
import { findNpm } from './npm-cache.ts'

const npm = findNpm()
const skip = npm === undefined && "the images are built with an npm that is one folder, and Debian's own is not"

t.test('docker compose up gives a working cluster, and down leaves nothing', { skip }, async t => {
  if (!npm) return
  const engine = await Dockerd.start(t, 'its own')
  const dockerfile = readFileSync('Dockerfile', 'utf8')
  const { tar, changes } = await baseImage(dockerfile, npm, engine.folder)
  const [first, ...others] = imagesOf(dockerfile)
  await engine.importImage(first, tar, changes)
  for (const image of others) await engine.tagImage(first, image)

  // Debian's own docker and docker-compose, and nobody's settings.
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    DOCKER_HOST: `unix://${engine.socket}`,
    DOCKER_CONFIG: engine.folder,
    COMPOSE_HTTP_TIMEOUT: '600', // seconds for one answer of the engine, on a machine with other work to do
  }
  const smoke = spawn('scripts/compose-smoke', { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [smoke.stdout, smoke.stderr]) stream.on('data', data => (output += String(data)))
  const [code] = (await once(smoke, 'close')) as [number]
  for (const [, mark, what, detail] of output.matchAll(/^([✔✘]) (.*)\n((?: {4}[^\n]*\n)*)/gm))
    t.ok(mark === '✔', what, { detail })
  t.equal(code, 0, `compose-smoke ends with 0: ${output.trimEnd().split('\n').at(-1)}`)
})
