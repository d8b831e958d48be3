// What the etcd of a Calico cluster holds, as Calico's Go programs write it: one line of JSON a key.

const meta = (name: string, more = '') =>
  `"metadata":{"name":"${name}","uid":"5a5a5a5a-0000-4000-8000-000000000000","creationTimestamp":"2024-05-06T07:08:09Z"${more}}`

const object = (plural: string, kind: string, name: string, spec: string, more = ''): readonly [string, string] => [
  `/calico/resources/v3/projectcalico.org/${plural}/${name}`,
  `{"kind":"${kind}","apiVersion":"projectcalico.org/v3",${meta(name.split('/').at(-1) ?? '', more)},"spec":${spec}}`,
]

/** Keys and values, in etcd's order or not. */
export const calicoKeys: readonly (readonly [key: string, value: string])[] = [
  object(
    'ippools',
    'IPPool',
    'default-ipv4-ippool',
    '{"cidr":"192.168.0.0/16","vxlanMode":"Never","ipipMode":"CrossSubnet","natOutgoing":true,"blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}',
  ),
  object(
    'ippools',
    'IPPool',
    'spare',
    '{"cidr":"10.9.3.7/16","ipip":{"enabled":true,"mode":"always"},"nat-outgoing":true,"nodeSelector":"rack == \'r1\'","allowedUses":["Workload","LoadBalancer"]}',
  ),
  object('ippools', 'IPPool', 'services', '{"cidr":"10.99.0.0/24","allowedUses":["LoadBalancer"]}'),
  object(
    'nodes',
    'Node',
    'rack1-n1',
    '{"addresses":[{"address":"10.0.1.11/24","type":"CalicoNodeIP"},{"address":"10.0.1.11","type":"InternalIP"}],"orchRefs":[{"nodeName":"rack1-n1","orchestrator":"k8s"}],"bgp":{"asNumber":65001,"ipv4Address":"10.0.1.11/24","ipv4IPIPTunnelAddr":"192.168.7.64"}},"status":{"podCIDRs":[""]}',
    ',"labels":{"rack":"r1"},"annotations":{"projectcalico.org/kube-labels":"{\\"rack\\":\\"r1\\"}"}',
  ),
  object('nodes', 'Node', 'rack1-n2', '{"bgp":{"ipv4Address":"10.0.1.12","routeReflectorClusterID":"244.0.0.1"}}'),
  object(
    'bgpconfigurations',
    'BGPConfiguration',
    'default',
    '{"logSeverityScreen":"Info","nodeToNodeMeshEnabled":false,"asNumber":64513,"serviceClusterIPs":[{"cidr":"10.96.0.0/12"}],"communities":[{"name":"a","value":"64513:1"}]}',
  ),
  object('bgpconfigurations', 'BGPConfiguration', 'node.rack1-n1', '{"logSeverityScreen":"Debug"}'),
  object(
    'bgppeers',
    'BGPPeer',
    'rack1-tor',
    '{"nodeSelector":"rack == \'r1\'","peerIP":"10.0.1.1","asNumber":65101,"keepOriginalNextHop":true,"password":{"secretKeyRef":{"name":"bgp-secrets","key":"tor"}},"filters":["only-blocks"],"sourceAddress":"UseNodeIP","failureDetectionMode":"None"}',
  ),
  object('bgppeers', 'BGPPeer', 'pods', '{"localWorkloadSelector":"app == \'bird\'","asNumber":65200}'),
  object(
    'bgpfilters',
    'BGPFilter',
    'only-blocks',
    '{"exportV4":[{"action":"Accept","matchOperator":"In","cidr":"192.168.0.0/16"}]}',
  ),
  object('ipreservations', 'IPReservation', 'old', '{"reservedCIDRs":["192.168.1.0/28","192.168.7.53"]}'),
  object('felixconfigurations', 'FelixConfiguration', 'default', '{"bpfLogLevel":"","ipipEnabled":true}'),
  object('clusterinformations', 'ClusterInformation', 'default', '{"clusterGUID":"aa","datastoreReady":true}'),
  object('profiles', 'Profile', 'kns.default', '{"egress":[{"action":"Allow"}]}'),
  object('profiles', 'Profile', 'kns.web', '{"egress":[{"action":"Allow"}]}'),
  object('workloadendpoints', 'WorkloadEndpoint', 'default/rack1--n1-k8s-web-eth0', '{"node":"rack1-n1"}'),
  ['/calico/resources/v3/projectcalico.org/nodes/broken', 'no JSON'],
  ['/calico/ipam/v2/config', '{"strict_affinity":false,"auto_allocate_blocks":true,"maxBlocksPerHost":8}'],
  [
    '/calico/ipam/v2/assignment/ipv4/block/192.168.7.64-26',
    '{"cidr":"192.168.7.64/26","affinity":"host:rack1-n1","strictAffinity":false,"allocations":[0,null],"unallocated":[1],"attributes":[{"handle_id":"ipip-tunnel-addr-rack1-n1","secondary":{"type":"ipipTunnelAddress"}}]}',
  ],
  ['/calico/ipam/v2/assignment/ipv6/block/fd00:42::-122', '{"cidr":"fd00:42::/122","affinity":"host:rack1-n1"}'],
  ['/calico/ipam/v2/host/rack1-n1/ipv4/block/192.168.7.64-26', '{"state":"confirmed"}'],
  ['/calico/felix/v2/no-region/host/rack1-n1/status', '{"time":"2024-05-06T07:08:09Z","uptime":1,"firstUpdate":true}'],
]
