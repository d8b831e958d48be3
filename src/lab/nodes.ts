// The cluster's nodes in a lab: a daemon file each, one store for all, `margayd` in each node's namespace.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { call } from '../api/client.ts'
import type { Api, Path } from '../api/contract.ts'
import { CniRunner } from './cni-runner.ts'
import { etcdConfig } from './etcd.ts'
import { LabError } from './output.ts'
import { netnsPath, start } from './processes.ts'
import type { Programs } from './programs.ts'
import { writeTool } from './routers/start.ts'
import { run, RunError } from './run.ts'
import type { LabDatastore, LabDir } from './state.ts'
import { netnsOf, type NodePlan, type PodPlan } from './topology.ts'
import type { RawResource } from './file/read.ts'

/** Files and sockets of one node. */
export function nodeFiles(lab: LabDir, node: string) {
  const dir = lab.host(node)
  return {
    config: join(dir, 'margayd.yaml'),
    stateDir: join(dir, 'state'),
    api: join(dir, 'api.sock'),
    cni: join(dir, 'cni.sock'),
    spool: join(dir, 'spool'),
    store: join(lab.path, 'cluster.db'),
  }
}

/** Writes the daemon's file, and gives the node's shell its `margayctl`. */
export function prepareNode(lab: LabDir, node: string, programs: Programs, datastore: LabDatastore): void {
  const files = nodeFiles(lab, node)
  mkdirSync(files.stateDir, { recursive: true })
  mkdirSync(files.spool, { recursive: true })
  const config = {
    node: { name: node },
    datastore: datastore === 'etcd' ? etcdConfig(lab) : { type: 'embedded', path: files.store },
    stateDir: files.stateDir,
    cni: { socket: files.cni, spoolDir: files.spool },
    api: { socket: files.api },
  }
  writeFileSync(files.config, `# margayd of ${node}. Written by margayctl lab up.\n${stringify(config)}`)
  writeTool(lab, node, 'margayctl', [programs.node, programs.margayctl, '--config', files.config])
}

export function startNode(lab: LabDir, node: string, programs: Programs): void {
  start({
    netns: netnsOf(lab.name, node),
    argv: [programs.node, programs.margayd, '--config', nodeFiles(lab, node).config],
    log: lab.log(node, 'margayd'),
    record: join(lab.processes, `${node}-margayd`),
  })
}

/** The Node resources that the lab file's nodes stand for, as YAML documents; those that it spells out itself are left alone. */
export function nodeResources(nodes: readonly NodePlan[], given: readonly RawResource[]): string {
  const spelled = new Set(given.flatMap(resource => (resource.kind === 'Node' ? [resource.name] : [])))
  return nodes
    .filter(node => !spelled.has(node.host))
    .map(node => ({
      apiVersion: 'margay.io/v1',
      kind: 'Node',
      metadata: { name: node.host, labels: node.labels },
      spec: {
        bgp: {
          asNumber: node.asn,
          ipv4Address: node.addresses.ipv4,
          ipv6Address: node.addresses.ipv6,
          routeReflectorClusterID: node.routeReflectorClusterID,
        },
      },
    }))
    .map(resource => `---\n${stringify(resource)}`)
    .join('')
}

/**
 * Applies the lab's resources as an operator would. Throws `LabError` with what margayctl says, its places being those of the
 * lab file, whose lines the copy keeps.
 */
export async function applyResources(lab: LabDir, node: string, programs: Programs, labFile: string): Promise<void> {
  const files = ['-f', lab.resources, '-f', lab.nodeResources]
  try {
    await run([programs.node, programs.margayctl, '--config', nodeFiles(lab, node).config, 'apply', ...files])
  } catch (error) {
    if (!(error instanceof RunError)) throw error
    const said = (error.stderr.trim() || error.stdout.trim()).replaceAll(lab.resources, labFile)
    throw new LabError(1, `The lab's resources were refused.\n${said}`)
  }
}

/** Asks a node's daemon. */
export function ask<P extends Path>(
  lab: LabDir,
  node: string,
  path: P,
  query: Api[P]['query'],
): Promise<Api[P]['answer']> {
  return call(nodeFiles(lab, node).api, path, query)
}

/** The runtime of one node. */
export function runtimeOf(lab: LabDir, node: string, programs: Programs): CniRunner {
  const files = nodeFiles(lab, node)
  return new CniRunner({
    plugin: programs.cni,
    conf: { cniVersion: '1.1.0', name: 'margay', type: 'margay-cni', socket: files.cni, spoolDir: files.spool },
    cacheDir: lab.cniOf(node),
  })
}

/** Attaches a pod whose namespace exists. */
export async function attachPod(lab: LabDir, pod: PodPlan, programs: Programs): Promise<void> {
  await runtimeOf(lab, pod.node, programs).add(pod.name, netnsPath(pod.netns))
}
