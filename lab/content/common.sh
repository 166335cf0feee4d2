# shellcheck shell=bash
# What rootfs.sh, packages.sh, images.sh and lab/content.sh share. Sourced after `set -euo pipefail`; the caller has `log` and `die`.
umask 022 # hosts read what is made here

# Ends with a list of every program that is missing and the Debian packages that bring them.
need() { # PROGRAM:PACKAGE...
  local entry programs='' packages=''
  for entry in "$@"; do
    command -v "${entry%:*}" >/dev/null || programs+=" ${entry%:*}" packages+=" ${entry#*:}"
  done
  [[ -z "${programs}" ]] || die "found no${programs}; run: apt-get install --no-install-recommends${packages}"
}

# One build of a kind at a time; what a killed one left goes. A detached child must not keep the lock: give it 9>&-.
alone() { # KIND
  mkdir -p -- "${CACHE:?}"
  exec 9>"${CACHE}/$1.lock"
  flock -w 900 9 || die "another build of $1 is still at work after 15 minutes (lock: ${CACHE}/$1.lock)"
  rm -rf --one-file-system -- "${CACHE:?}/$1"-*.part "${CACHE:?}/$1"-*.part.*
}

# What a kind of content is called in the cache: another era's lies beside it.
kind() { if [[ "${ERA}" == default ]]; then printf '%s' "$1"; else printf '%s-%s' "$1" "${ERA}"; fi; } # KIND

# The folder of one piece in TOOLCHAIN, the lines that lab/toolchain/build.sh printed.
piece() { # NAME
  local name folder
  while IFS=$'\t' read -r name folder; do
    [[ "${name}" != "$1" ]] || { printf '%s\n' "${folder}"; return; }
  done <<<"${TOOLCHAIN}"
  die "found no tool chain piece \"$1\"; expected a line \"$1<TAB>FOLDER\" from lab/toolchain/build.sh"
}

# The folder of another version of Kubernetes, by its entry in MORE_KUBERNETES.
more_kubernetes() { piece "kubernetes-$(cut -d. -f1,2 <<<"$1")"; } # VERSION:CRI-TOOLS

# The machine's own sources of Debian 12, for mmdebstrap, so that a mirror or a proxy set up there serves here too.
debian_sources() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(CODENAME) $(COMPONENT)' \
    'Created-By: Packages' 'Component: main' | grep -E ' bookworm(-updates|-security)? main$' | sort -u ||
    die "found no bookworm in this machine's apt sources; run on Debian 12, after apt-get update"
}

# Downloads Debian packages with the machine's own apt and unpacks them into DIR.
unpack_debian() { # DIR PACKAGE...
  local dir="$1" deb
  shift
  mkdir -p -- "${dir}.debs"
  (cd -- "${dir}.debs" && timeout 300 apt-get download -qq -o APT::Sandbox::User=root "$@" >&2) ||
    die "apt-get download failed; run: apt-get update"
  for deb in "${dir}.debs"/*.deb; do dpkg-deb -x "${deb}" "${dir}" || die "cannot unpack ${deb##*/}"; done
  rm -rf -- "${dir:?}.debs"
}

# Prints the libraries that a program loads, one path a line, and dies where one is in none of the DIRs: so a Debian
# update that needs a new one fails here and not on a host.
libraries() { # PROGRAM ROOT DIR...
  local program="$1" root="$2" name arrow path path_list
  shift 2
  path_list="$(IFS=:; printf '%s' "$*")"
  while read -r name arrow path _; do
    [[ "${arrow}" == '=>' ]] || continue
    [[ ":${path_list}:" == *":${path%/*}:"* || "${name}" == */ld-linux-x86-64.so.2 ]] || die "${program##*/} needs ${name}, found in none of ${path_list}; add its Debian package"
    printf '%s\n' "${path}"
  done < <(LD_LIBRARY_PATH="${path_list}" "${root}/lib64/ld-linux-x86-64.so.2" --list "${program}" 2>/dev/null)
}

# Prints a spec whose file-less packages are the lines of a list; the list's head says how a line reads.
spec_of() { # LIST
  local name evr words word version epoch
  printf 'Name: kubeadm-lab-list\nVersion: 1\nRelease: 1\nSummary: Packages without files\nLicense: ASL 2.0\n%%description\nNot built.\n'
  while read -r name evr words; do
    [[ -n "${name}" && "${name}" != '#'* ]] || continue
    epoch=0 version="${evr%-*}"
    [[ "${version}" != *:* ]] || epoch="${version%%:*}" version="${version#*:}"
    printf '\n%%package -n %s\nEpoch: %s\nVersion: %s\nRelease: %s\nSummary: %s, played by Debian\nAutoReqProv: no\n' \
      "${name}" "${epoch}" "${version}" "${evr##*-}" "${name}"
    for word in ${words}; do
      case "${word}" in
        noarch) printf 'BuildArch: noarch\n' ;;
        provides:* | requires:*)
          word="${word/>=/ >= }"
          [[ "${word}" == *'>='* ]] || word="${word/=/ = }"
          printf '%s: %s\n' "${word%%:*}" "${word#*:}"
          ;;
        *) die "$1: ${name}: found \"${word}\"; expected noarch, provides:X or requires:X" ;;
      esac
    done
    printf '%%description -n %s\nFile-less: says that it is installed.\n%%files -n %s\n' "${name}" "${name}"
  done <"$1"
}

# Builds a spec into DIR/*.rpm. WORK is scratch; nothing of the machine's own rpm set-up is used.
build_spec() { # SPEC DIR WORK [RPMBUILD-ARGUMENTS...]
  local spec="$1" dir="$2" work="$3"
  shift 3
  mkdir -p -- "${work}" "${dir}"
  # zstd at its fastest level: hosts unpack 250 MB of Go binaries while somebody waits.
  HOME="${work}" rpmbuild -bb --quiet --target x86_64 \
    --define "_topdir ${work}" --define "_dbpath ${work}/db" --define "_tmppath ${work}" --define "_rpmdir ${dir}" \
    --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define '_binary_payload w1.zstdio' \
    --define 'debug_package %{nil}' --define '__os_install_post %{nil}' --define '_build_id_links none' \
    "$@" "${spec}" >"${work}/log" 2>&1 || { tail -n 20 -- "${work}/log" >&2; die "rpmbuild ${spec##*/} failed; the lines above say why"; }
}
