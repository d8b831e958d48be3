// A node's Docker engine, with an image made on the spot and containers that serve a page.

import { copyFileSync, createReadStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Dockerd } from '../kit/dockerd.ts'
import { execute } from '../kit/lab.ts'

const image = 'margay-test:1'
const busybox = '/bin/busybox'

export class Docker {
  readonly #engine: Dockerd

  private constructor(engine: Dockerd) {
    this.#engine = engine
  }

  /** Runs until the test ends. */
  static async start(t: Test, netns: string): Promise<Docker> {
    const docker = new Docker(await Dockerd.start(t, { netns }))
    await docker.#makeImage()
    return docker
  }

  start(): Promise<void> {
    return this.#engine.start()
  }

  stop(): Promise<void> {
    return this.#engine.stop()
  }

  /** A container whose page `text` is served at a port of the node. */
  async serve(name: string, port: number, text: string): Promise<void> {
    const command = `echo ${text} >/index.html; exec ${busybox} httpd -f -p 80`
    await this.#engine.ask('POST', `/containers/create?name=${name}`, {
      Image: image,
      Cmd: [busybox, 'sh', '-c', command],
      StopSignal: 'SIGKILL',
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { PortBindings: { '80/tcp': [{ HostPort: String(port) }] } },
    })
    await this.startContainer(name)
  }

  async startContainer(name: string): Promise<void> {
    await this.#engine.ask('POST', `/containers/${name}/start`)
  }

  async #makeImage(): Promise<void> {
    const root = join(this.#engine.folder, 'root')
    mkdirSync(join(root, 'bin'), { recursive: true })
    copyFileSync(busybox, join(root, busybox))
    const tar = join(this.#engine.folder, 'root.tar')
    const made = await execute(['tar', '-C', root, '-cf', tar, '.'])
    if (made.code !== 0) throw new Error(made.stderr)
    await this.#engine.importImage(image, createReadStream(tar))
  }
}
