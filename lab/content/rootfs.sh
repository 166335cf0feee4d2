#!/usr/bin/env bash
# Builds the read-only lower file system of a bare host that looks like CentOS 7.7: Debian's userland under CentOS names.
# Left out on purpose, so that a host gets them as RPMs: containerd, kubelet, conntrack, socat, ebtables, ethtool, ipset.
# usage: rootfs.sh CACHE   prints the folder; progress goes to stderr
# Another input gives another folder; a folder appears under its name only when it is whole.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE CACHE="${1:?usage: rootfs.sh CACHE}"
# What a minimal CentOS 7.7 has, in Debian's names. gpg without gpg-agent: yum would leave one agent a repository running.
readonly PACKAGES=(systemd-sysv dbus kmod procps hostname util-linux mount login passwd sudo selinux-utils tzdata
  openssh-server chrony firewalld python3-cap-ng iproute2 iputils-ping iptables ca-certificates curl openssl
  dnf dnf-plugins-core rpm gpg gawk tar gzip xz-utils less)

log() { printf 'rootfs: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }
# shellcheck source=common.sh source-path=SCRIPTDIR
source "${HERE}/common.sh"

key() {
  { cat -- "${HERE}/rootfs.sh" "${HERE}/common.sh" "${HERE}/specs/installed.list"
    find "${HERE}/rootfs" -type f -printf '%P\n' -exec cat {} + | sort; } | sha256sum | cut -c1-16
}

debian() { # ROOT
  local sources options=(--mode=root --variant=essential --quiet --format=directory
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$(IFS=,; printf '%s' "${PACKAGES[*]}")"
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*')
  sources="$(debian_sources)"
  mmdebstrap "${options[@]}" bookworm "$1" - <<<"${sources}" >"${1}.log" 2>&1 ||
    { tail -n 20 -- "${1}.log" >&2; die "mmdebstrap bookworm failed; the lines above say why"; }
}

# What makes it a bare CentOS 7.7: identity, unit names, yum, and nothing that would reach the machine.
centos() { # ROOT
  local root="$1" unit name link
  cp -R --no-preserve=all -- "${HERE}/rootfs/." "${root}/"
  chmod 0440 -- "${root}/etc/sudoers.d/centos"
  for link in redhat-release system-release; do ln -sfn centos-release "${root}/etc/${link}"; done
  ln -sfn ../usr/lib/os-release "${root}/etc/os-release"
  rm -f -- "${root}"/etc/{hostname,debian_version,motd,issue,issue.net,timezone} "${root}"/etc/update-motd.d/* \
    "${root}"/etc/ssh/ssh_host_* "${root}"/etc/apt/sources.list
  : >"${root}/etc/machine-id"
  : >"${root}/etc/resolv.conf"
  install -d -m 2755 -- "${root}/var/log/journal"
  ln -sfn /usr/share/zoneinfo/UTC "${root}/etc/localtime"
  # sshd.service and chronyd.service as real units instead of Debian's names.
  rm -f -- "${root}"/usr/lib/systemd/system/{ssh,ssh@,chrony}.service "${root}"/usr/lib/systemd/system/{ssh.socket,rescue-ssh.target} \
    "${root}"/etc/systemd/system/{sshd,chronyd}.service "${root}"/etc/systemd/system/multi-user.target.wants/{ssh,chrony}.service
  # A script left in init.d would start the Debian name beside ours.
  rm -rf -- "${root:?}"/etc/chrony "${root:?}"/etc/init.d "${root:?}"/etc/rc?.d
  : >"${root}/etc/default/locale" # PAM reads it at each login and complains without
  for unit in sshd chronyd; do ln -sfn "/usr/lib/systemd/system/${unit}.service" "${root}/etc/systemd/system/multi-user.target.wants/"; done
  ln -sfn multi-user.target "${root}/usr/lib/systemd/system/default.target"
  # fstab is there to be read and edited; its devices do not exist. No terminal to log in on. Both are generators.
  install -d -- "${root}/etc/systemd/system-generators"
  for name in fstab getty; do ln -sfn /dev/null "${root}/etc/systemd/system-generators/systemd-${name}-generator"; done
  # CentOS 7 has no user managers; one would start and end around each SSH session.
  ln -sfn /dev/null "${root}/etc/systemd/system/user@.service"
  rm -f -- "${root}"/etc/systemd/system/getty.target.wants/* "${root}"/etc/systemd/system/timers.target.wants/*
  # Sysctls of the machine, not of a host: a boot must not set them.
  rm -f -- "${root}"/usr/lib/sysctl.d/* "${root}"/etc/sysctl.d/README*
  # yum and the commands of yum-utils, played by dnf; its versionlock plugin comes as an RPM.
  ln -sfn dnf-3 "${root}/usr/bin/yum"
  for name in yum-config-manager repoquery needs-restarting package-cleanup yumdownloader; do ln -sfn ../libexec/dnf-utils-3 "${root}/usr/bin/${name}"; done
  install -d -- "${root}"/etc/yum "${root}"/etc/pki/rpm-gpg
  ln -sfn ../dnf/plugins "${root}/etc/yum/pluginconf.d"
  ln -sfn dnf/dnf.conf "${root}/etc/yum.conf"
  find "${root}/usr/lib/python3/dist-packages/dnf-plugins" -name 'versionlock*' -delete
  rm -f -- "${root}"/etc/dnf/plugins/versionlock.*
  # ebtables comes as an RPM, although Debian's iptables brings it.
  find "${root}"/etc/alternatives "${root}"/usr/sbin -name '*ebtables*' -type l -delete
  rm -rf -- "${root:?}"/var/cache/{apt,debconf,ldconfig} "${root:?}"/var/lib/apt "${root:?}"/var/log/{apt,dpkg.log,bootstrap.log,alternatives.log}
}

make() { # FOLDER
  local folder="$1" root="$1.part" work="$1.part.work"
  alone rootfs
  [[ ! -d "${folder}" ]] || return 0
  log 'building, about 45 s on two cores'
  debian "${root}"
  centos "${root}"
  mkdir -p -- "${work}"
  spec_of "${HERE}/specs/installed.list" >"${work}/installed.spec"
  build_spec "${work}/installed.spec" "${root}/rpms" "${work}/build"
  chroot "${root}" sh -c 'rpm --initdb && rpm --force-debian -i /rpms/*.rpm' || die 'rpm -i of the installed packages failed; the lines above say why'
  rm -rf -- "${root:?}/rpms" "${work:?}" "${root}.log"
  mv -T -- "${root}" "${folder}"
  log "built in ${SECONDS} s"
}

main() {
  local folder
  [[ "${EUID}" -eq 0 ]] || die 'found no root privileges; run as root'
  need mmdebstrap:mmdebstrap rpmbuild:rpm
  folder="${CACHE}/rootfs-$(key)"
  [[ -d "${folder}" ]] || make "${folder}"
  printf '%s\n' "${folder}"
}

main "$@"
