# Hosts as people have them: what was left on them by somebody. One defect a line: its name, what pulumi makes of it (refused or goes), the hosts that get it
# (all, control-plane, workers), and the shell that makes it there. ADDRESS is that host's internal one. Sourced by lab/lab.
# shellcheck shell=bash
used_table() {
  cat <<'EOF'
sysctl goes all printf 'net.ipv4.ip_forward = 0\n' >>/etc/sysctl.conf; ln -sfn ../sysctl.conf /etc/sysctl.d/99-sysctl.conf
sysctl-late goes all printf -- '-net/ipv4/conf/*/forwarding = 0\n' >/etc/sysctl.d/zz-hardening.conf
modprobe goes all mkdir -p /etc/modprobe.d; printf 'blacklist br_netfilter\n' >/etc/modprobe.d/hardening.conf
selinux goes all mkdir -p /etc/selinux; printf 'SELINUX=Enforcing\n' >/etc/selinux/config
swap-unit goes all mkdir -p /etc/systemd/system/swap.target.wants; printf '[Swap]\nWhat=/swapfile\n' >/etc/systemd/system/swapfile.swap; ln -sfn ../swapfile.swap /etc/systemd/system/swap.target.wants/swapfile.swap
cloud-init goes all mkdir -p /etc/cloud; printf 'preserve_hostname: false\n' >/etc/cloud/cloud.cfg
network-name goes all mkdir -p /etc/sysconfig; printf 'NETWORKING=yes\nHOSTNAME=old.example.com\n' >/etc/sysconfig/network
lo-address goes all ip address replace 172.16.1.200/32 dev lo
second-address goes workers ip address replace "172.16.1.2${ADDRESS##*.1}/24" dev eth0
forward-drop goes all iptables -P FORWARD DROP
etcd-disk goes control-plane mkdir -p '/var/lib/etcd/lost+found'
cni refused workers mkdir -p /etc/cni/net.d; printf '{"cniVersion":"0.4.0","name":"containerd-net","plugins":[{"type":"bridge","bridge":"cni0","ipam":{"type":"host-local","ranges":[[{"subnet":"10.88.0.0/16"}]]}}]}\n' >/etc/cni/net.d/10-containerd-net.conflist
cni0 refused workers ip link show cni0 >/dev/null 2>&1 || ip link add cni0 type bridge; ip address replace 10.244.77.1/24 dev cni0
vxlan refused all ip link show vx0 >/dev/null 2>&1 || ip link add vx0 type vxlan id 7 dev eth1 dstport 8472
route refused all ip route replace 10.244.77.0/24 via 172.16.1.1
input-reject refused control-plane systemctl --quiet disable --now firewalld; iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited
forward-reject refused workers systemctl --quiet disable --now firewalld; iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited
boot-reject refused all mkdir -p /etc/systemd/system/basic.target.wants /etc/sysconfig; printf '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n' >/etc/sysconfig/iptables; ln -sfn /usr/lib/systemd/system/iptables.service /etc/systemd/system/basic.target.wants/iptables.service
kubelet-flags refused workers mkdir -p /etc/sysconfig; printf 'KUBELET_EXTRA_ARGS=--hostname-override=oldname\n' >/etc/sysconfig/kubelet
kubelet-unit refused all mkdir -p /etc/systemd/system/kubelet.service.d; printf '[Service]\nEnvironment=KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n' >/etc/systemd/system/kubelet.service.d/20-old.conf
masked refused all ln -sfn /dev/null /etc/systemd/system/containerd.service
etcd-data refused control-plane mkdir -p /var/lib/etcd; touch /var/lib/etcd/backup.db
manifests refused workers mkdir -p /etc/kubernetes/manifests; printf '{}\n' >/etc/kubernetes/manifests/haproxy.json
cpu-state refused workers printf '{"policyName":"static"}\n' >/var/lib/kubelet/cpu_manager_state
containers refused workers mkdir -p /run/containerd/io.containerd.runtime.v2.task/moby/0123456789ab
lo-only refused workers ip address replace "${ADDRESS}/32" dev lo
disk refused workers read -r _ free _ < <(df --output=size,avail,itotal -k /var/lib/kubelet | tail -n 1); fallocate -l "$((free - 600000))k" /var/lib/kubelet/full
EOF
}
used_names() { used_table | awk '{ print $1 }' | paste -sd' '; }
is_used_name() { [[ "$1" == all ]] || used_table | awk -v name="$1" '$1 == name || $2 == name { found = 1 } END { exit !found }'; } # a name, or: all, goes, refused
check_used() { # NAMES: with commas between them
  local name
  for name in ${1//,/ }; do is_used_name "${name}" || die "up --used: found \"${name}\", expected all, goes, refused, or some of: $(used_names)"; done
}
use_hosts() { # NAMES
  local host byte
  while read -r host byte; do
    {
      printf 'set -euo pipefail\nreadonly ADDRESS=%s.%s\n' "${INTERNAL}" "${byte}"
      used_table | awk -v names=",$1," -v role="$([[ "${host}" == "${CONTROL_PLANE}" ]] && printf control-plane || printf workers)" '
        ($3 == "all" || $3 == role) && (names ~ /,all,/ || index(names, "," $1 ",") || index(names, "," $2 ",")) { $1 = $2 = $3 = ""; print }'
    } | on_host "${host}" bash -s || die "${host}: could not be made a used host; the lines above say why"
    log "${host}: used (${1//,/, })"
  done < <(hosts)
}
