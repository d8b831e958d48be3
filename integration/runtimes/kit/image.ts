// An image from nothing, where no registry can be reached: one layer with a static busybox, as an OCI archive
// (github.com/opencontainers/image-spec, "Image Layout").

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Commands of the image, all by busybox. */
const commands = ['sh', 'ping', 'ip', 'sleep']

/** The root file system of a container. */
export function buildRoot(root: string): void {
  mkdirSync(join(root, 'bin'), { recursive: true })
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const command of commands) symlinkSync('busybox', join(root, 'bin', command))
  for (const dir of ['etc', 'proc', 'sys', 'dev', 'tmp', 'run']) mkdirSync(join(root, dir))
}

/** Writes the archive into `folder` and gives its path. */
export function buildImage(folder: string, name: string): string {
  const root = join(folder, 'root')
  const layout = join(folder, 'layout')
  buildRoot(root)
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })

  const put = (content: Buffer | object) => {
    const octets = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const hash = createHash('sha256').update(octets).digest('hex')
    writeFileSync(join(layout, 'blobs/sha256', hash), octets)
    return { digest: `sha256:${hash}`, size: octets.length }
  }
  execFileSync('tar', ['-C', root, '-cf', join(folder, 'layer.tar'), '.'])
  const layer = put(readFileSync(join(folder, 'layer.tar')))
  const config = put({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/sleep', '600'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  })
  const type = 'application/vnd.oci.image'
  const manifest = put({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: [{ mediaType: `${type}.layer.v1.tar`, ...layer }],
  })
  const annotations = { 'org.opencontainers.image.ref.name': name, 'io.containerd.image.name': name }
  const entry = { mediaType: `${type}.manifest.v1+json`, ...manifest, annotations }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  const archive = join(folder, 'image.tar')
  execFileSync('tar', ['-C', layout, '-cf', archive, '.'])
  return archive
}
