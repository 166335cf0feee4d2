# An ordinary Debian 12 in QEMU: its image, a disk with what the lab needs, its boot, and commands in it. Sourced by test/vm/run,
# after lab/common.sh and lab/content.sh.
# shellcheck shell=bash disable=SC2016,SC2153  # text for another shell; IMAGES_TREE is lab/content.sh's
# What the image leaves to lab/setup in the machine, which has no network: those with services, whose packages lie in apt's cache.
readonly HELD_BACK=(docker-registry lxcfs systemd-container)
# What debootstrap gives by default, a kernel, and what an installer adds: sessions of one's own (libpam-systemd) and sshd.
readonly DEBIAN_12=(linux-image-amd64 systemd-sysv dbus libpam-systemd apparmor openssh-server)
VM="${CACHE}/vm" # images by their inputs, and the running machine: its disks, console and answers
readonly VM
QEMU='' SSH=() # set by vm_boot

# One line a package: what lab/setup wants, less what is held back.
vm_packages() {
  local name
  sed -n '/^readonly DEBIAN=(/,/)$/{s/^readonly DEBIAN=(//; s/)$//; p}' "${PROJECT}/lab/setup" | tr -s ' ' '\n' | while read -r name; do
    [[ -z "${name}" || " ${HELD_BACK[*]} " == *" ${name} "* ]] || printf '%s\n' "${name}"
  done
}

# Sets VM_IMAGE: the folder with root.ext4, vmlinuz, initrd and the keys. Made where it is missing; under its name only when it is whole.
vm_image() {
  local packages root hook early
  packages="$(vm_packages)"
  [[ "${packages}" == *mmdebstrap* ]] || die "${PROJECT}/lab/setup: found no list DEBIAN"
  # With the month: so that a new kernel and Debian's corrections are met.
  VM_IMAGE="${VM}/image-$({ date +%Y-%m; printf '%s\n' "${packages}"; declare -p HELD_BACK DEBIAN_12; declare -f vm_image; } | sha256sum | cut -c1-16)"
  [[ ! -d "${VM_IMAGE}" ]] || return 0
  log "making the image of a Debian 12 with kernel, about 4 minutes (log: ${VM}/image.log)"
  rm -rf --one-file-system -- "${VM:?}"/image-*
  mkdir -p -- "${VM_IMAGE}.part"
  root="${VM_IMAGE}.part/root"
  ssh-keygen -q -t ed25519 -N '' -C kubeadm-lab-vm -f "${VM_IMAGE}.part/id_ed25519"
  hook='APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -y -qq --no-install-recommends --download-only install'
  # On a busy machine udev gives up on what takes it minutes, and there is no disk then: the initramfs loads these by itself.
  early='mkdir -p "$1/usr/share/initramfs-tools/modules.d"; printf "virtio_pci\nvirtio_blk\next4\n" >"$1/usr/share/initramfs-tools/modules.d/virtual-disk"'
  # The lists and the packages in apt's cache stay: in the machine apt has nothing else.
  debian_sources | timeout 1800 mmdebstrap --mode=root --variant=important --format=directory --skip=cleanup/apt,cleanup/reproducible --dpkgopt=force-unsafe-io \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$(IFS=,; printf '%s' "${DEBIAN_12[*]}"),${packages//$'\n'/,}" \
    --essential-hook="${early}" --customize-hook="${hook} ${HELD_BACK[*]}" bookworm "${root}" - >"${VM}/image.log" 2>&1 ||
    { tail -n 20 -- "${VM}/image.log" >&2; die 'mmdebstrap failed; the lines above say why'; }
  printf 'debian\n' >"${root}/etc/hostname"
  printf '127.0.0.1 localhost debian\n' >"${root}/etc/hosts"
  : >"${root}/etc/resolv.conf" # no name server: what is asked fails at once
  printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /data ext4 defaults 0 2\n/dev/vdc none swap sw 0 0\n' >"${root}/etc/fstab"
  mkdir -- "${root}/data"
  printf 'auto lo eth0\niface lo inet loopback\niface eth0 inet static\n  address 10.0.2.15/24\n' >"${root}/etc/network/interfaces"
  install -D -m 0600 -- "${VM_IMAGE}.part/id_ed25519.pub" "${root}/root/.ssh/authorized_keys"
  printf 'vm %s\n' "$(cut -d' ' -f1,2 "${root}/etc/ssh/ssh_host_ed25519_key.pub")" >"${VM_IMAGE}.part/known_hosts"
  cp -- "${root}"/boot/vmlinuz-* "${VM_IMAGE}.part/vmlinuz"
  cp -- "${root}"/boot/initrd.img-* "${VM_IMAGE}.part/initrd"
  mkfs.ext4 -q -F -d "${root}" "${VM_IMAGE}.part/root.ext4" 8G
  truncate -s 512M -- "${VM_IMAGE}.part/swap"
  mkswap -q -- "${VM_IMAGE}.part/swap"
  rm -rf --one-file-system -- "${root:?}"
  mv -T -- "${VM_IMAGE}.part" "${VM_IMAGE}"
}

# Links where the file system is the same, copies where not.
vm_copy() { cp -al -- "$@" 2>/dev/null || cp -a -- "$@"; } # FROM... FOLDER

# The second disk: this checkout as it is, its npm packages, the lab's tool chain and content, and the machine's own Go and npm.
vm_data() {
  local data="${VM}/data" folder go npm
  rm -rf --one-file-system -- "${data:?}"
  mkdir -p -- "${data}"/{project,cache/toolchain,cache/content,go/pkg/tool,bin}
  (cd -- "${PROJECT}" && git ls-files -z -co --exclude-standard | tar -c --null --files-from=- --ignore-failed-read) | tar -x -C "${data}/project"
  vm_copy "${PROJECT}/node_modules" "${data}/project/"
  while read -r _ folder; do vm_copy "${folder}" "${data}/cache/toolchain/"; done <<<"${TOOLCHAIN}"
  for folder in "${ROOTFS}" "${PACKAGES_TREE}" "${IMAGES_TREE}"; do vm_copy "${folder}" "${data}/cache/content/"; done
  # Neither builds anything there: Go is asked for its version, npm whether it is there.
  go="$(go env GOROOT)" npm="$(dirname -- "$(dirname -- "$(readlink -f -- "$(command -v npm)")")")"
  mkdir -- "${data}/go/bin"
  cp -- "${go}/bin/go" "${data}/go/bin/"
  cp -- "${go}/VERSION" "${go}/go.env" "${data}/go/"
  cp -r -- "${npm}" "${data}/npm"
  ln -s -- /data/go/bin/go ../npm/bin/npm-cli.js ../project/node_modules/.bin/node "${data}/bin/"
  mv -- "${data}/bin/npm-cli.js" "${data}/bin/npm"
  rm -f -- "${VM}/data.ext4"
  mkfs.ext4 -q -F -m 0 -d "${data}" "${VM}/data.ext4" 40G
  rm -rf --one-file-system -- "${data:?}"
}

# Boots it and waits for it; QEMU is its process. Software emulation: two threads of the machine, 8 to 28 times slower than it.
vm_boot() {
  local port
  cp --sparse=always -- "${VM_IMAGE}/root.ext4" "${VM}/root.ext4"
  port="$("${PROJECT}/node_modules/.bin/node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')"
  : >"${VM}/console.log"
  # restrict=on: it reaches nobody; only ssh from this machine reaches it.
  # It dies with this shell, however that ends.
  setpriv --pdeathsig KILL qemu-system-x86_64 -accel tcg,thread=multi -cpu Nehalem -smp 2 -m 8192 -nodefaults -no-user-config -display none -serial "file:${VM}/console.log" -device virtio-rng-pci \
    -kernel "${VM_IMAGE}/vmlinuz" -initrd "${VM_IMAGE}/initrd" -append 'root=/dev/vda rw console=ttyS0 net.ifnames=0' \
    -drive "file=${VM}/root.ext4,if=virtio,format=raw,cache=unsafe" -drive "file=${VM}/data.ext4,if=virtio,format=raw,cache=unsafe,discard=unmap" \
    -drive "file=${VM_IMAGE}/swap,if=virtio,format=raw,snapshot=on" \
    -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22" -device virtio-net-pci,netdev=net >"${VM}/qemu.log" 2>&1 </dev/null &
  QEMU=$!
  SSH=(ssh -i "${VM_IMAGE}/id_ed25519" -p "${port}" -o "UserKnownHostsFile=${VM_IMAGE}/known_hosts" -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=vm -o StrictHostKeyChecking=yes
    -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=60 -o ServerAliveInterval=60 -o ServerAliveCountMax=10 -o LogLevel=ERROR root@127.0.0.1)
  printf '%q ' "${SSH[@]}" >"${VM}/ssh" # for a person who looks into it
  vm_await
}

# Until it has started all of its units.
vm_await() {
  local i seen=''
  for ((i = 0; i < 60; i++)); do
    kill -0 "${QEMU}" 2>/dev/null || die "QEMU ended: $(tail -n 3 -- "${VM}/qemu.log")"
    seen="$(timeout 120 "${SSH[@]}" 'systemctl is-system-running --wait' 2>&1 </dev/null)" || true
    [[ "${seen}" != running && "${seen}" != degraded ]] || return 0
    sleep 5
  done
  die "the virtual machine is not up after 60 tries; last seen: ${seen}. Its console: ${VM}/console.log: $(tail -n 3 -- "${VM}/console.log")"
}

# Another boot of the same disks. Its time of boot tells the two apart.
vm_reboot() {
  local before i now
  before="$(vm 300 <<<'cat /proc/sys/kernel/random/boot_id')" || die 'the virtual machine does not answer'
  vm 60 <<<'systemctl reboot' >/dev/null 2>&1 || true # the connection ends with it
  for ((i = 0; i < 60; i++)); do
    sleep 5
    now="$(vm 60 2>/dev/null <<<'cat /proc/sys/kernel/random/boot_id')" || continue
    if [[ -n "${now}" && "${now}" != "${before}" ]]; then vm_await; return; fi
  done
  die "the virtual machine did not come back from a reboot in 60 tries; its console: ${VM}/console.log: $(tail -n 3 -- "${VM}/console.log")"
}

# Runs the bash text on stdin in the machine, in the project's folder, with Go, npm and the cache at hand. Ends with its exit code; 124: not done in time.
vm() { # SECONDS
  { printf 'set -euo pipefail; cd /data/project; export PATH="/data/bin:$PATH" KUBEADM_LAB_CACHE=/data/cache\n'; cat; } | timeout "$(($1 + 120))" "${SSH[@]}" "cat >/run/script; timeout $1 bash /run/script </dev/null"
}
