# What scripts/deb-smoke tries, as root on a booted Debian with systemd; a row of a table for each step.

printf '| step | |\n|---|---|\n'
try() { # WHAT COMMAND...
  local what=$1; shift
  printf '\n== %s\n' "$what" >&2
  if "$@" >&2; then printf '| %s | ✔ |\n' "$what"; else printf '| %s | ✘ |\n' "$what"; fi
}
within() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.5; done; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root -o -path /var/lib/dpkg -o -path /var/log -o -path /var/tmp -o -path /var/lib/systemd/timers \) -prune -o -print | sort; }
kernel() { ip route show proto 81; ip -o link show type veth | grep mgy; nft list tables; }
plugin() { # VERB ID NETNS
  echo '{ "cniVersion": "1.0.0", "name": "margay", "type": "margay-cni" }' |
    CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=$3 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni /usr/lib/cni/margay-cni
}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

ip link set lo up
ip link add rack type veth peer name far && ip addr add 10.9.0.1/24 dev rack && ip link set rack up && ip link set far up
sysctl -a 2>/dev/null | grep '^net\.' | grep -v 'random\|inode\|max_\|_mem' | sort >/root/sysctls
files >/root/before

try 'the package installs' dpkg -i /root/margay.deb
try 'its service waits for its configuration, and will run at the next boot' sh -c '! systemctl is-active margayd && systemctl is-enabled margayd'
echo "node: { name: deb }" >/etc/margay/margayd.yaml
cat >/root/resources.yaml <<'END'
{ apiVersion: margay.io/v1, kind: Node, metadata: { name: deb }, spec: { bgp: { asNumber: 64512, ipv4Address: 10.9.0.1/24 } } }
---
{ apiVersion: margay.io/v1, kind: IPPool, metadata: { name: pods }, spec: { cidr: 10.49.0.0/16 } }
---
{ apiVersion: margay.io/v1, kind: BGPPeer, metadata: { name: tor }, spec: { peerIP: 10.9.0.2, asNumber: 64601 } }
END
try 'resources are applied' margayctl apply -f /root/resources.yaml
try 'the service starts' systemctl start margayd
try 'margayctl reaches it at once' margayctl status
try 'runtimes find it' sh -c 'margayctl cni install && ip netns add web'
try 'a pod by its name in /run/netns is attached' within 60 plugin ADD web /run/netns/web
sleep infinity & # a process with every right, as a container's first one is before it gives them up
unshare --net sleep infinity & other=$!
within 30 sh -c "[ \$(readlink /proc/$other/ns/net) != \$(readlink /proc/self/ns/net) ]"
try 'a pod by /proc/PID/ns/net is attached' within 60 plugin ADD other /proc/$other/ns/net
address=$(ip -netns web -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')
try 'the node reaches the pod' ping -c1 -W10 "$address"
try 'it listens for BGP on port 179' within 60 sh -c "ss -ltn | grep -q ':179 '"
try 'a restart leaves the pod alone' sh -c "systemctl restart margayd && ping -c1 -W10 $address"
try 'an upgrade leaves the pod alone' sh -c "dpkg --force-confold -i /root/margay.deb && ping -c1 -W10 $address"
try 'it reads its configuration again' systemctl reload margayd
try 'it was refused nothing by its sandbox' sh -c '! journalctl -u margayd --no-pager | grep -iE "EPERM|EACCES|EROFS|read-only|not permitted|check that /proc/sys"'
journalctl -u margayd --no-pager >&2
try 'it is removed' dpkg -r margay
try 'no process of it is left' test -z "$(pgrep -f '^/usr/lib/margay')"
kernel >/root/kernel
try 'nor a route, an interface or a rule in the kernel' test ! -s /root/kernel
sysctl -a 2>/dev/null | grep '^net\.' | grep -v 'random\|inode\|max_\|_mem' | sort >/root/sysctls-after
try 'nor a setting' diff /root/sysctls /root/sysctls-after
try 'put back, it starts' sh -c 'dpkg -i /root/margay.deb && systemctl start margayd && systemctl is-enabled margayd'
try 'a pod is attached again' within 60 plugin ADD web /run/netns/web
echo 'node: [' >/etc/margay/margayd.yaml
try 'and is removed again, though nobody can read its file' dpkg -r margay
kernel >/root/kernel
try 'with its routes, interfaces and rules' test ! -s /root/kernel
try 'it is purged' dpkg -P margay
kill %1 %2
ip netns delete web
files >/root/after
try 'no file is left, and none is missing' diff /root/before /root/after
