// margayd: opens the rooms in order, hands what one says to the next, closes them in order.
//
// The order of a start is the design's third promise: own store, dump of the kernel, pods, plan from the checkpoint, sessions; then the
// datastore, which may come late. Nothing is deleted from the kernel before all of it is in sync. A stop leaves routes and pods in place.

import type { Server } from 'node:http'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type CniServer, listenCni } from '../../cni-plugin/protocol/server.ts'
import { type DaemonConfig, routeMark } from '../api/config.ts'
import { serve } from '../api/server.ts'
import { version } from '../api/version.ts'
import { Dataplane, linuxKernel, podSources } from '../dataplane/index.ts'
import { type ClusterStore, describeDatastore, openDatastore, openNodeStore } from '../datastore/index.ts'
import { Ipam } from '../ipam/index.ts'
import { requestKind } from '../ipam/requests.ts'
import { ipamSettings, type IpamSettings } from '../ipam/settings.ts'
import { detailsOf } from '../model/endpoint.ts'
import type { FibEntry } from '../model/fib.ts'
import type { Intent } from '../model/intent.ts'
import { createPlanner } from '../plan/planner.ts'
import { emptySnapshot } from '../plan/snapshot.ts'
import { bgpSettings } from '../plan/settings.ts'
import type { Labels } from '../resources/index.ts'
import { createHandlers } from './answers.ts'
import { Bgp } from './bgp.ts'
import { believed } from './believed.ts'
import { BlockKeeper } from './block-keeper.ts'
import { hasCheckpoint } from './checkpoint.ts'
import { Cluster } from './cluster.ts'
import { Drain } from './drain.ts'
import { Fabric } from './fabric.ts'
import { FormerAddresses } from './former.ts'
import type { Log } from './log.ts'
import { IpamCheck } from './ipam-check.ts'
import { HandoverKeeper } from './handover.ts'
import { Mtu } from './mtu.ts'
import { NodeAddress } from './node-address.ts'
import { Pods } from './pods.ts'
import { PresenceKeeper } from './presence.ts'
import { compareConfigs, type Reload } from './reload.ts'
import { wireguardKeyOf } from './reset.ts'
import { SettingRecords } from './setting-records.ts'
import { blockKind, SnapshotBuilder, unconfirmed, unsound, watchedKinds } from './snapshot.ts'
import { storeAge } from './store-age.ts'
import { SyncWatch } from './sync-watch.ts'
import { TunnelUseKeeper } from './tunnel-use.ts'
import { TunnelKeeper } from './tunnels.ts'
import { WatchedStore } from './watched-store.ts'
import { WireguardKeys } from './wireguard.ts'

/** Table of the node's store for what the daemon itself remembers. */
const aboutTable = 'daemon'

interface Mark {
  /** Linux's boot id: the kernel's state is that of our last run only within one boot. */
  readonly boot: string
  /** Peers keep routes over a restart only for a speaker with the same. */
  readonly routerId?: string
  /** Of this store: by it another machine with this node's name is known. */
  readonly store?: string
}

export class Daemon {
  #config: DaemonConfig
  readonly #log: Log
  readonly #nodeStore: WatchedStore
  readonly #settingRecords: SettingRecords
  readonly #datastore: ClusterStore
  readonly #dataplane: Dataplane
  readonly #cluster: Cluster
  readonly #snapshots: SnapshotBuilder
  readonly #ipam: Ipam
  readonly #blockKeeper: BlockKeeper
  readonly #pods: Pods
  readonly #bgp: Bgp
  readonly #tunnels: TunnelKeeper
  readonly #wireguard: WireguardKeys
  readonly #tunnelUse: TunnelUseKeeper
  readonly #handover: HandoverKeeper
  readonly #presence: PresenceKeeper
  readonly #drain: Drain
  readonly #mtu: Mtu
  readonly #former: FormerAddresses
  readonly #address: NodeAddress
  readonly #sync: SyncWatch
  readonly #fabric: Fabric
  readonly #planner: ReturnType<typeof createPlanner>
  #intent: Intent
  /** What the intent was made from: by now more may be known. */
  #plannedFrom = emptySnapshot
  #restarting = false
  #forwarding = false
  #mark: Mark | undefined
  #planTimer: NodeJS.Immediate | undefined
  #isStopping = false
  #api: Server | undefined
  #cni: CniServer | undefined

  /** Opens everything and serves; rejects with a sentence if this node cannot run. */
  static async start(config: DaemonConfig, log: Log): Promise<Daemon> {
    const file = join(config.stateDir, 'node.db')
    const nodeStore = new WatchedStore(await openNodeStore(file), file)
    log.info('starting', { node: config.node.name, datastore: describeDatastore(config.datastore) })
    // Who has seen the cluster before must not begin another one in a place where it is missing.
    const seen = await hasCheckpoint(nodeStore)
    const datastore = await openDatastore(config.datastore, { create: !seen })
    const dataplane = await Dataplane.open({
      kernel: linuxKernel(),
      mark: routeMark(config),
      clampMss: config.dataplane.clampMss,
      forwardAccept: config.dataplane.forwardAccept,
      vxlanChecksumOffload: config.dataplane.vxlanChecksumOffload,
    })
    const daemon = new Daemon(config, log, { nodeStore, datastore, dataplane })
    try {
      await daemon.#start()
      return daemon
    } catch (error) {
      await daemon.stop()
      throw error
    }
  }

  private constructor(
    config: DaemonConfig,
    log: Log,
    opened: { readonly nodeStore: WatchedStore; readonly datastore: ClusterStore; readonly dataplane: Dataplane },
  ) {
    this.#config = config
    this.#log = log
    this.#nodeStore = opened.nodeStore
    this.#settingRecords = new SettingRecords(opened.nodeStore)
    this.#dataplane = opened.dataplane
    this.#snapshots = new SnapshotBuilder()
    this.#cluster = new Cluster({
      datastore: opened.datastore,
      nodeStore: this.#nodeStore,
      kinds: watchedKinds,
      log,
      onChange: kinds => this.#clusterChanged(kinds),
      unsound,
      guardPercent: () => bgpSettings(this.#snapshots.current.bgpConfigurations).guardPercent,
    })
    this.#datastore = believed(opened.datastore, () => this.#cluster.doubt())
    this.#ipam = new Ipam({
      node: config.node.name,
      datastore: this.#datastore,
      nodeStore: this.#nodeStore,
      pools: () => this.#snapshots.current.pools,
      labels: () => this.#labels(),
      settings: () => this.#ipamSettings(),
      details: owner => detailsOf(this.#dataplane.endpoints.get(owner)),
      patience: 10_000,
      warn: text => log.warn(text),
      ahead: () =>
        this.#cluster.state === 'in sync' && this.#drain.obstacle === undefined
          ? this.#snapshots.current.blocks
          : undefined,
    })
    this.#blockKeeper = new BlockKeeper({
      node: config.node.name,
      ipam: this.#ipam,
      list: kind => this.#cluster.list(kind),
      learn: async () => {
        if (!this.#ipam.isWhole) await this.#ipam.refresh()
        await this.#pods.nameKnown()
      },
      settings: () => this.#ipamSettings(),
      isInSync: () => this.#cluster.state === 'in sync',
      log,
    })
    this.#drain = new Drain({
      node: config.node.name,
      now: () => performance.now(),
      ipam: this.#ipam,
      onChange: () => this.#planSoon(),
    })
    this.#former = new FormerAddresses({
      node: config.node.name,
      now: () => performance.now(),
      facts: () => this.#dataplane.facts.current,
      isKnown: () => this.#bgp.peers().every(peer => peer.state === 'Established'),
      onChange: () => this.#planSoon(),
    })
    this.#address = new NodeAddress({
      node: config.node.name,
      methods: config.node.address,
      datastore: this.#datastore,
      log,
      snapshot: () => this.#snapshots.current,
      facts: () => this.#dataplane.facts.current,
      onDue: () => this.#planSoon(),
    })
    this.#mtu = new Mtu({
      intent: () => this.#intent,
      facts: () => this.#dataplane.facts.current,
      pods: () => this.#dataplane.endpoints.all,
      limit: () => this.#config.dataplane.mtu,
    })
    this.#pods = new Pods({
      ipam: this.#ipam,
      endpoints: this.#dataplane.endpoints,
      nodeStore: this.#nodeStore,
      log,
      families: namespace => this.#ipam.families(namespace),
      mtu: addresses => this.#mtu.ofPod(addresses),
      looked: () => this.#presence.looked(),
      obstacle: () => this.#obstacle(),
      pools: () => this.#snapshots.current.pools,
      sysctls: () => this.#config.cni.sysctls,
      peers: () => this.#bgp.counts(),
    })
    this.#bgp = new Bgp({
      log,
      facts: () => this.#dataplane.facts.current,
      routeMtu: () => this.#config.dataplane.mtu,
      patch: updates => this.#dataplane.routes.patch('bgp', updates),
      kernel: () => this.#dataplane.routes,
      silent: (address, device) => void this.#passOver(address, device),
      told: () => this.#sync.toldAll(),
      clear: () => this.#dataplane.routes.set('bgp', []),
    })
    this.#wireguard = new WireguardKeys({
      node: config.node.name,
      file: wireguardKeyOf(config),
      datastore: this.#datastore,
      log,
      apply: () => this.#applyTunnels(),
      onDue: () => this.#planSoon(),
    })
    this.#tunnels = new TunnelKeeper({
      ipam: this.#ipam,
      devices: this.#dataplane.tunnels,
      keys: this.#wireguard,
      log,
      onChange: () => this.#planSoon(),
      mtu: tunnel => this.#mtu.ofTunnel(tunnel),
    })
    this.#tunnelUse = new TunnelUseKeeper({
      node: config.node.name,
      datastore: this.#datastore,
      log,
      carrying: () => this.#dataplane.tunnels.carrying,
      onDue: () => this.#planSoon(),
    })
    this.#handover = new HandoverKeeper({
      node: config.node.name,
      datastore: this.#datastore,
      isInSync: () => this.#cluster.state === 'in sync',
      peers: () => this.#bgp.peers(),
      tellers: block => this.#bgp.tellers(block),
      now: () => performance.now(),
      onDue: () => this.#planSoon(),
    })
    this.#presence = new PresenceKeeper({
      node: config.node.name,
      about: { version, host: hostname(), since: new Date().toISOString() },
      datastore: this.#datastore,
      isInSync: () => this.#cluster.state === 'in sync',
      log,
    })
    this.#sync = new SyncWatch({
      log,
      bgp: this.#bgp,
      routes: this.#dataplane.routes,
      isClusterInSync: () => this.#cluster.state === 'in sync',
      knowsCluster: () => this.#knowsCluster(),
      tellers: () => (this.#restarting ? this.#intent.speaker : undefined),
      onChange: () => this.#planSoon(),
      onSync: () => void this.#blockKeeper.learn(),
    })
    this.#fabric = new Fabric({ dataplane: this.#dataplane, records: this.#settingRecords, log })
    this.#planner = createPlanner(config.node.name)
    this.#intent = this.#plan()
  }

  async #start(): Promise<void> {
    const { routes, facts } = this.#dataplane
    const mark = (await this.#nodeStore.all(aboutTable)).find(row => row.key === 'mark')?.value as Mark | undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    // Routes of ours are of a run since the machine began, also where the store that knew it was lost.
    this.#forwarding = routes.counts.installed > 0
    this.#restarting = this.#forwarding || mark?.boot === boot
    const store = mark?.store ?? randomUUID()
    this.#mark = { ...mark, boot, store }
    await this.#cluster.load()
    await this.#wireguard.load()
    this.#readCluster(watchedKinds)
    const protocol = this.#config.dataplane.routeProtocol
    const places = { kernel: linuxKernel(), dataplane: this.#dataplane, nodeStore: this.#nodeStore, protocol }
    const age = await storeAge(places, mark === undefined)
    await this.#ipam.load({ ...age, isBehind: age.is === 'behind' })
    this.#setPodSources(this.#plan())
    await this.#pods.recover(age)
    this.#ipam.noteAll()
    await this.#nodeStore.commit([{ do: 'put', table: aboutTable, key: 'mark', value: this.#mark }])

    const { routeTable } = this.#config.dataplane
    if (routeTable !== 254)
      this.#log.info('routes go to a table of their own, which the kernel looks up by rules only: docs/reconciler.md', {
        table: routeTable,
        rules: `ip rule add pref 32000 lookup main suppress_prefixlength 0; ip rule add pref 32001 lookup ${routeTable}; the same with ip -6`,
      })
    routes.inSync('tunnel')
    routes.onResults(results => {
      for (const { prefix, state, text } of results) {
        if (state === 'conflict' || state === 'failed')
          this.#log.warn(text ?? 'route refused by the kernel', { prefix })
        else this.#log.debug('route', { prefix, state })
      }
    })
    this.#dataplane.onProblems(problems => {
      for (const problem of problems) this.#log.warn(problem)
    })
    facts.onChange(now => {
      this.#bgp.setFacts(now)
      this.#planSoon()
    })
    this.#ipam.onBlocks(() => this.#planSoon())
    this.#dataplane.tunnels.onChange(() => this.#planSoon())
    this.#drain.set(this.#node()?.spec.drain, true)
    await this.#replan()
    this.#cluster.start()
    this.#blockKeeper.start()
    this.#presence.start({ store, boot, isNew: mark === undefined, isFirstOfBoot: mark?.boot !== boot })
    this.#sync.start()

    this.#api = await serve(this.#config.api.socket, this.#handlers(), text => this.#log.warn(text))
    const { socket, spoolDir } = this.#config.cni
    this.#cni = await listenCni({ socket, spoolDir, backend: this.#pods, onProblem: text => this.#log.warn(text) })
    this.#log.info('margayd is up', {
      node: this.#config.node.name,
      restarting: this.#restarting,
      routes: routes.counts.installed,
      pods: this.#dataplane.endpoints.all.length,
    })
  }

  /** Puts into force what a file that was read again changes and a running daemon can take over; the rest stays as it is. */
  reload(next: DaemonConfig): Reload {
    const reload = compareConfigs(this.#config, next)
    this.#config = reload.config
    this.#dataplane.filters.setClampMss(this.#config.dataplane.clampMss)
    if (reload.changed.includes('dataplane.mtu')) this.#bgp.routeMtuChanged()
    this.#planSoon()
    return reload
  }

  /** Stops serving and leaves routes, pods and the neighbours' view of us in place. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#sync.close()
    clearImmediate(this.#planTimer)
    this.#blockKeeper.close()
    this.#presence.close()
    this.#drain.close()
    this.#address.close()
    this.#tunnelUse.close()
    this.#tunnels.close()
    this.#handover.close()
    this.#former.close()
    this.#wireguard.close()
    await this.#cni?.close()
    this.#api?.close()
    this.#api?.closeAllConnections()
    await this.#bgp.stop('restart')
    await this.#ipam.stop()
    await this.#cluster.stop()
    await this.#dataplane.close()
    await this.#datastore.close()
    await this.#nodeStore.close()
  }

  // ---- plan and apply ------------------------------------------------------------------------------------------

  #clusterChanged(kinds: ReadonlySet<string>): void {
    this.#readCluster(kinds)
    this.#drain.set(this.#node()?.spec.drain)
    const concernsIpam = kinds.has(blockKind) || (kinds.has('Node') && this.#ipam.expelled !== undefined)
    if (concernsIpam && this.#cluster.state === 'in sync')
      this.#ipam
        .refresh(() => this.#snapshots.current.blocks)
        .then(() => this.#pods.nameKnown())
        .catch((error: unknown) =>
          this.#log.warn('own blocks not compared with the datastore', { reason: String(error) }),
        )
    if (kinds.has(requestKind)) void this.#blockKeeper.serve()
    this.#planSoon()
  }

  #readCluster(kinds: Iterable<string>): void {
    const before = this.#snapshots.problems
    this.#snapshots.update(kinds, kind => this.#cluster.list(kind))
    for (const problem of this.#snapshots.problems) if (!before.includes(problem)) this.#log.warn(problem)
  }

  /** Changes of one turn are planned together. */
  #planSoon(): void {
    // What is stopped must not be begun again by news of a datastore that comes back meanwhile.
    if (this.#isStopping) return
    this.#planTimer ??= setImmediate(() => {
      this.#planTimer = undefined
      this.#replan().catch((error: unknown) =>
        this.#log.error('the plan could not be put into force', { reason: String(error) }),
      )
    })
  }

  #plan(): Intent {
    this.#former.look(this.#snapshots.current.nodes)
    const situation = {
      restarting: this.#restarting,
      forwarding: this.#forwarding,
      facts: this.#dataplane.facts.current,
      tunnels: this.#tunnels.states,
      pendingUse: this.#tunnelUse.pending,
      withdrawn: this.#withdrawn(),
      former: this.#former.list,
      routerId: this.#bgp.config?.routerId ?? this.#mark?.routerId,
    }
    this.#plannedFrom = this.#snapshots.current
    return this.#planner.plan(this.#plannedFrom, situation)
  }

  /** Own blocks that are not announced: those that a drain withdraws, and those that the node does not hold any more. */
  #withdrawn(): readonly string[] {
    // A node whose own store was lost holds no block before the datastore takes writes. Where its pods are, it still announces.
    const used = this.#ipam.isWhole
      ? []
      : this.#ipam.show().addresses.map(({ address }) => `${address}/${address.includes(':') ? 128 : 32}`)
    const held = [...this.#ipam.owned().map(({ cidr }) => cidr), ...used]
    return [...this.#drain.withdrawn, ...unconfirmed(this.#snapshots.current.blocks, this.#config.node.name, held)]
  }

  async #replan(): Promise<void> {
    this.#address.look(this.#cluster.state === 'in sync')
    const before = this.#intent
    this.#intent = this.#plan()
    if (this.#knowsCluster()) {
      // Devices come before the routes through them; what became of them is part of the plan.
      await this.#applyTunnels()
      this.#intent = this.#plan()
    }
    this.#wireguard.look(this.#node(), this.#tunnels.usesKey, this.#cluster.state === 'in sync')
    for (const problem of this.#intent.problems) if (!before.problems.includes(problem)) this.#log.warn(problem)
    const { routes } = this.#dataplane
    this.#setPodSources(this.#intent)
    routes.set('block', [...this.#intent.unreachable, ...this.#intent.sealed].map(unreachable))
    if (this.#knowsCluster()) routes.ready('block')
    if (this.#cluster.state === 'in sync') routes.inSync('block')
    // After a restart the kernel holds what the last run wrote: nothing is replaced before the peers have told all again.
    if (this.#knowsCluster() && !this.#forwarding) routes.ready('bgp')
    if (this.#knowsCluster()) this.#dataplane.filters.set(this.#intent.filters)
    // By what the plan was made from: if the cluster comes to be known meanwhile, own blocks are in the next plan, and End-of-RIB after it.
    const isComplete = this.#sync.isComplete
    await this.#fabric.setUp(this.#node()?.spec.bgp, this.#intent.speaker?.peers.values() ?? [])
    this.#sync.planned(isComplete)
    const { speaker, ...intent } = this.#intent
    await this.#bgp.apply({ ...intent, speaker: this.#handover.apply(speaker, this.#plannedFrom) }, isComplete)
    if (this.#cluster.state === 'in sync') this.#tellTunnels()
    const routerId = this.#bgp.config?.routerId
    if (!this.#mark || routerId === undefined || routerId === this.#mark.routerId) return
    this.#mark = { ...this.#mark, routerId }
    await this.#nodeStore.commit([{ do: 'put', table: aboutTable, key: 'mark', value: this.#mark }])
  }

  #applyTunnels(): Promise<void> {
    return this.#tunnels.apply(this.#intent.tunnels, this.#cluster.state === 'in sync')
  }

  #tellTunnels(): void {
    const stored = this.#snapshots.current.tunnelUses.find(({ node }) => node === this.#config.node.name)
    this.#tunnelUse.apply(this.#intent.tunnelUse, stored)
  }

  #setPodSources({ routes: { source4, source6 } }: Intent): void {
    const { endpoints, facts } = this.#dataplane
    endpoints.setSources(
      podSources(facts.current, { ...(source4 && { v4: source4 }), ...(source6 && { v6: source6 }) }),
    )
  }

  /** The cluster has been seen, now or by the last run. */
  #knowsCluster(): boolean {
    return this.#cluster.state === 'in sync' || this.#snapshots.current.nodes.length > 0
  }

  async #passOver(address: string, device: string | undefined): Promise<void> {
    try {
      const isDone = await this.#dataplane.neighbourSilent(address, device)
      if (isDone) this.#log.info('routes pass a silent neighbour over until it answers', { address, device })
    } catch (error) {
      this.#log.warn('a silent neighbour is not passed over; its routes go one by one', {
        address,
        reason: String(error),
      })
    }
  }

  // ---- small questions -----------------------------------------------------------------------------------------

  #node() {
    return this.#snapshots.current.nodes.find(node => node.metadata.name === this.#config.node.name)
  }

  #ipamSettings(): IpamSettings {
    const { ipamConfigurations, reservations } = this.#snapshots.current
    return ipamSettings(ipamConfigurations, reservations)
  }

  #labels(): Labels {
    return this.#node()?.metadata.labels ?? {}
  }

  #obstacle(): string | undefined {
    if (this.#knowsCluster())
      return (
        this.#snapshots.obstacle ??
        this.#nodeStore.problem ??
        this.#ipam.expelled ??
        this.#presence.obstacle ??
        this.#drain.obstacle ??
        (this.#tunnels.obstacle && `node ${this.#config.node.name}: ${this.#tunnels.obstacle}`)
      )
    return `margayd of node ${this.#config.node.name} has not read the datastore yet (${this.#cluster.text ?? 'it is starting'}): try again`
  }

  #handlers() {
    return createHandlers({
      node: this.#config.node.name,
      datastore: this.#datastore,
      datastoreType: this.#config.datastore.type,
      bgp: this.#bgp,
      cluster: this.#cluster,
      dataplane: this.#dataplane,
      ipam: this.#ipam,
      pods: this.#pods,
      ipamCheck: new IpamCheck({
        ipam: this.#ipam,
        pods: this.#pods,
        kernel: linuxKernel(),
        mark: routeMark(this.#config),
      }),
      keepBlocks: () => this.#ipamSettings().keepBlocks,
      drain: this.#drain,
      mtu: this.#mtu,
      wireguard: this.#wireguard,
      intent: () => this.#intent,
      waits: () => [...this.#intent.waits, ...this.#handover.waits],
      waitingFor: () => [...this.#sync.waitingFor, ...(this.#cni ? [] : ['DELs that came while margayd was away'])],
      unreadable: () => this.#snapshots.problems,
      problems: () => [
        ...[this.#cluster.held, this.#bgp.routing?.guard.held].flatMap(text => text ?? []),
        ...(this.#nodeStore.problem === undefined ? [] : [this.#nodeStore.problem]),
        ...this.#snapshots.problems,
        ...this.#address.problems,
        // Before anything of the cluster is known, that is what is wrong, and the datastore's state says it.
        ...(this.#knowsCluster() ? this.#tunnels.telling(this.#intent.problems) : []),
        ...this.#bgp.problems,
        ...this.#tunnels.problems,
        ...this.#wireguard.problems,
        ...this.#tunnelUse.problems,
        ...this.#mtu.problems,
        ...this.#presence.problems,
        ...this.#ipam.show().problems,
        ...this.#dataplane.problems,
      ],
    })
  }
}

function unreachable(prefix: string): FibEntry {
  return { prefix, kind: 'unreachable', nextHops: [] }
}
