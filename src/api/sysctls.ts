// Sysctls that a pod may ask for by CNI: names with dots, IFNAME for the interface, `*` at the end for all that begin so.

import * as v from 'valibot'
import { Refusal } from '../resources/problem.ts'
import { field } from '../resources/schema.ts'

/** Those of the network namespace that Kubernetes calls safe (kubernetes.io, "Using sysctls in a Kubernetes Cluster"), and a backlog. */
export const defaultSysctls: readonly string[] = [
  'net.core.somaxconn',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]

export const sysctls = () =>
  v.array(
    field('sysctl', value =>
      typeof value === 'string' && /^net(\.[A-Za-z0-9_-]+)*\.([A-Za-z0-9_-]+|[A-Za-z0-9_-]*\*)$/.test(value)
        ? value
        : new Refusal(
            'is no sysctl of a network namespace',
            'Its name begins with net. and has dots.',
            'Write it like net.core.somaxconn or net.ipv4.conf.IFNAME.*',
          ),
    ),
  )
