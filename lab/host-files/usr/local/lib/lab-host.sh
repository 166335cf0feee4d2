#!/bin/sh
# Runs first at each boot of a lab host, which shares its kernel with the machine and with the other hosts.
# 1. cgroup v1 controllers come up read-only in nspawn; the kubelet and containerd need to write.
for c in /sys/fs/cgroup/*; do
  mount -o remount,rw,bind "$c" 2>/dev/null
done
# 2. These sysctls are the machine's, not the host's: the host gets copies that it can read and write and that reach nobody.
#    fs.may_detach_mounts is CentOS 7's own; here it is a file, so that what sets it can be seen to work.
#    One cp for all of them: a process each takes minutes where the machine is slow. -x: the mounts below are no settings.
#    Those that can only be written to are empty files.
copies=/run/lab-sysctl
mkdir -p "$copies/kernel"
cp -rx --no-preserve=all /proc/sys/vm /proc/sys/fs "$copies/" 2>/dev/null
cp -rx --no-preserve=all /proc/sys/kernel/keys "$copies/kernel/" 2>/dev/null
for f in vm/compact_memory vm/drop_caches; do
  if [ -e "/proc/sys/$f" ]; then : >"$copies/$f"; fi
done
echo 0 >"$copies/fs/may_detach_mounts"
for d in vm fs kernel/keys; do
  mount --bind "$copies/$d" "/proc/sys/$d"
done
for f in kernel/panic kernel/panic_on_oops kernel/pid_max kernel/threads-max kernel/printk kernel/sysrq kernel/core_pattern kernel/softlockup_panic kernel/hung_task_timeout_secs; do
  if [ -f "/proc/sys/$f" ]; then
    mkdir -p "$copies/${f%/*}"
    cat "/proc/sys/$f" >"$copies/$f" && mount --bind "$copies/$f" "/proc/sys/$f"
  fi
done
# 3. nspawn mounts the /sys of the lab's network namespace: put the host's own links in its place.
mkdir -p /run/lab-sys
mount -t sysfs sysfs /run/lab-sys
for d in class/net devices/virtual/net; do
  mount --bind "/run/lab-sys/$d" "/sys/$d"
done
# 4. /proc would tell the size of the whole machine: these tell that of the host's control groups.
for f in meminfo cpuinfo; do
  mount --bind "/run/lab-proc/$f" "/proc/$f"
done
# 5. The machine's swap is not the host's: the kubelet refuses to start with any. The first line is a header.
head -n 1 /proc/swaps >/run/lab-swaps && mount --bind /run/lab-swaps /proc/swaps
exit 0
