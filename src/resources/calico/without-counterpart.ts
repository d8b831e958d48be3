// Calico's kinds that Margay has none of, and why.

const policy = 'Margay has no network policy'
const workload = 'Margay knows its pods by the runtime that starts them'
const derived = 'Calico keeps its own state there'

const reasons: Readonly<Record<string, string>> = {
  BGPFilter:
    'Margay has no BGPFilter: own blocks are announced, routes of the others are taken, and peers that named it have no filter',
  BlockAffinity: derived,
  CalicoNodeStatus: derived,
  ClusterInformation: 'a cluster of Margay has an identity of its own',
  ExternalNetwork: 'Margay has no such networks',
  FelixConfiguration: "it sets Calico's agent; what Margay has of it stands in margayd.yaml of each node",
  GlobalNetworkPolicy: policy,
  GlobalNetworkSet: policy,
  HostEndpoint: policy,
  KubeControllersConfiguration: 'Margay has no controllers beside its daemons',
  NetworkPolicy: policy,
  NetworkSet: policy,
  Profile: policy,
  StagedGlobalNetworkPolicy: policy,
  StagedKubernetesNetworkPolicy: policy,
  StagedNetworkPolicy: policy,
  Tier: policy,
  WorkloadEndpoint: workload,
}

/** One sentence, without a full stop. */
export function whyNot(kind: string): string {
  return Object.hasOwn(reasons, kind) ? reasons[kind] : `Margay has no ${kind}`
}
