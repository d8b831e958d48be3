// Changes of the cluster's resources and of a node's file, made as an operator makes them.

import { stringify } from 'yaml'
import type { Scene } from './event.ts'

interface Resource {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

/** `margayctl apply` on the fabric's first node. */
export async function apply(scene: Scene, ...resources: readonly Resource[]): Promise<void> {
  const documents = resources.map(({ kind, name, spec }) =>
    stringify({ apiVersion: 'margay.io/v1', kind, metadata: { name }, spec }),
  )
  await scene.lab.apply(scene.fabric.nodes[0], documents.join('---\n'))
}

/** Throws what it says unless it succeeds. */
export async function margayctl({ lab }: Scene, node: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.margayctl(node, ...args)
  if (code !== 0) throw new Error(`margayctl ${args.join(' ')} on ${node}: ${stderr || stdout}`)
  return stdout
}
