#!/usr/bin/env bash
# Which packages a yum transaction brought, and how they are taken away again.
# One counts as ours only when it was not on the host before. Survives a kill in the middle: the list from before the
# transaction stays in RECORDS/pending until the difference is recorded. What it replaced is recorded too: `was NAME.ARCH`, its version before and after (or none).
readonly PENDING="${RECORDS}/pending"
readonly RESTORE_SECONDS=300 # yum waits long for a repository that does not answer
# A runtime's data goes with its package; the other folders only when nothing is left in them.
readonly CONTAINERD_FOLDERS=(/var/lib/containerd /run/containerd /opt/containerd) DOCKER_FOLDERS=(/var/lib/docker /run/docker)
readonly DATA_FOLDERS=("${CONTAINERD_FOLDERS[@]}" "${DOCKER_FOLDERS[@]}")
readonly PACKAGE_FOLDERS=(/etc/containerd /etc/docker /etc/cni/net.d /etc/cni /opt/cni/bin /opt/cni /etc/kubernetes/manifests /etc/kubernetes /var/lib/kubelet)

installed_now() { # package NAME.ARCH VERSION-RELEASE, key gpg-pubkey-ID
  rpm -qa --qf '%{NAME} %{ARCH} gpg-pubkey-%{VERSION}-%{RELEASE}\n' | awk '{ print ($1 == "gpg-pubkey" ? "key " $3 : "package " $1 "." $2 " " substr($3, 12)) }' | sort -u
}
names_of() { cut -d ' ' -f 1,2 -- "$1" | sort -u; } # FILE: without versions, sorted for comm
# A killed rpm leaves locks in the Berkeley DB environment that make every later one fail; the environment is made anew when it is missing.
heal_rpm() {
  timeout 60 rpm -q rpm >/dev/null 2>&1 && return 0
  ! pgrep -x 'rpm|yum|dnf' >/dev/null || die 'rpm does not answer while another rpm or yum runs; wait for it, then run again'
  rm -f -- "${ROOT}"/var/lib/rpm/__db.*
  timeout 60 rpm -q rpm >/dev/null || die 'the rpm database is damaged; run: rpm --rebuilddb'
  log 'rpm: removed the locks of a killed transaction'
}
begin_transaction() {
  open_records
  if [[ ! -d "${RECORDS}/lists" ]]; then
    mkdir -p -- "${RECORDS}/lists.new"
    remember_folders "${RECORDS}/lists.new" "${DATA_FOLDERS[@]}" "${PACKAGE_FOLDERS[@]}"
    mv -T -- "${RECORDS}/lists.new" "${RECORDS}/lists"
  fi
  installed_now >"${PENDING}.new"
  mv -f -- "${PENDING}.new" "${PENDING}"
}
end_transaction() {
  local item name version after
  [[ -e "${PENDING}" ]] || return 0
  installed_now >"${PENDING}.after"
  while read -r item; do
    [[ -z "${item}" ]] || record "${item}" ours
  done < <(comm -13 -- <(names_of "${PENDING}") <(names_of "${PENDING}.after"))
  while read -r _ name version; do
    if [[ -z "${version}" ]] || recorded "package ${name}" >/dev/null; then continue; fi # a key, a list of an earlier release, or one of ours
    after="$(awk -v name="${name}" '$2 == name { version = $3 } END { print (version == "" ? "none" : version) }' "${PENDING}.after")"
    version="$(recorded "was ${name}" || printf '%s' "${version}")"
    forget "was ${name}"
    record "was ${name}" "${version%% *} ${after}"
  done < <(comm -23 -- "${PENDING}" "${PENDING}.after")
  rm -f -- "${PENDING}" "${PENDING}.after"
}
# The same for one that a kill cut off. rpm unpacks each file as name;1a2b3c4d before it gives it its name: those are left over.
end_cut_off_transaction() {
  [[ -e "${PENDING}" ]] || return 0
  heal_rpm
  timeout 300 find "${ROOT}/etc" "${ROOT}/usr" "${ROOT}/opt" "${ROOT}/var/lib" -xdev -type f -cnewer "${PENDING}" -name '*;[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]' -delete 2>/dev/null || true
  end_transaction
}
# Ours, except what others have come to need; rpm itself, because yum remove would take those others along.
remove_packages() {
  local list answer needed provider kept
  mapfile -t list < <(recorded_names values 'package ' | sed 's/^package //')
  answer="$(missing_of "${list[@]+"${list[@]}"}")"
  [[ -z "${answer}" ]] || mapfile -t list < <(printf '%s\n' "${list[@]}" | grep -Fxv -- "${answer}")
  while ((${#list[@]} > 0)); do
    if answer="$(rpm -e --test "${list[@]}" 2>&1)"; then
      log "removing ${#list[@]} packages"
      answer="$(timeout 900 rpm -e "${list[@]}" 2>&1)" || die "rpm -e did not remove ${list[*]}: ${answer}"
      break
    fi
    kept=''
    while read -r needed; do
      [[ -n "${needed}" ]] || continue
      while read -r provider; do kept+=" ${provider} "; done < <(rpm -q --whatprovides --qf '%{NAME}.%{ARCH}\n' "${needed}" 2>/dev/null)
    done < <(printf '%s\n' "${answer}" | sed -n 's/^[[:space:]]*\([^ ]*\).* is needed by (installed) .*/\1/p' | sort -u)
    without "${kept}" "${list[@]}"
    ((${#REST[@]} < ${#list[@]})) || die "rpm -e: ${answer}"
    list=("${REST[@]+"${REST[@]}"}")
  done
}
# What our transactions replaced comes back in the version it had: from our repositories, then from the host's own. What can't be had is told.
restore_packages() {
  local item name before after wanted verb end missing=()
  uptime_now
  end=$((UPTIME + RESTORE_SECONDS))
  while read -r item; do
    [[ -n "${item}" ]] || continue
    name="${item#was }"
    before="$(recorded "${item}")"
    after="${before#* }" before="${before%% *}"
    wanted="${name%.*}-${before}.${name##*.}"
    # Somebody has changed it since, or put it back.
    if rpm -q "${wanted}" >/dev/null 2>&1 || { [[ "${after}" == none ]] && rpm -q "${name}" >/dev/null 2>&1; } ||
      { [[ "${after}" != none ]] && ! rpm -q "${name%.*}-${after}.${name##*.}" >/dev/null 2>&1; }; then continue; fi
    verb=install # as yum 3 upgrades to an exact version
    [[ "${after}" == none || "$(printf '%s\n' "${before}" "${after}" | sort -V | tail -n 1)" == "${before}" ]] || verb=downgrade
    comes_back "${wanted}" "${verb}" "${end}" || missing+=("${name%.*}, which was ${before} and is ${after} (yum ${verb} ${wanted})")
  done < <(recorded_names values 'was ')
  ((${#missing[@]} == 0)) || log "packages that were replaced, and can't be had in their version of before: $(printf '%s; ' "${missing[@]}")get them from a repository that has them"
}
comes_back() { # NAME-VERSION-RELEASE.ARCH VERB END: in UPTIME
  local only ours
  ours="$(sections | paste -s -d ,)"
  for only in '--disablerepo=*' ''; do
    is_before "$3" || return 1
    timeout $(($3 - UPTIME)) yum -y -q ${only:+"${only}" "--enablerepo=${ours}"} "$2" "$1" >/dev/null 2>&1 || true
    if rpm -q "$1" >/dev/null 2>&1; then
      log "package $1 is back"
      return 0
    fi
  done
  return 1
}
without() { # KEPT NAMES...: REST is NAMES without KEPT
  local name kept="$1"
  REST=()
  for name in "${@:2}"; do
    if [[ "${kept}" == *" ${name} "* ]]; then log "package ${name} stays: others need it by now"; else REST+=("${name}"); fi
  done
}
remove_keys() {
  local name
  while read -r name; do
    [[ -n "${name}" ]] || continue
    ! rpm -q "${name#key }" >/dev/null || rpm -e --allmatches "${name#key }" 2>/dev/null || die "can't remove the imported key ${name#key }"
    forget "${name}"
  done < <(recorded_names values 'key ')
}
# Of a package that stays because others need it, or that is none of ours, the data is in use: a Docker that somebody installed later keeps its volumes.
clear_data() { # PACKAGE FOLDERS...
  local name="$1"
  [[ " ${PACKAGES[*]-} " == *" ${name}-"[0-9]* ]] || return 0
  shift
  if rpm -q "${name}" >/dev/null 2>&1 && [[ -n "$(recorded_names values "package ${name}.")" ]]; then
    log "the data of ${name} stays with it: $*"
  else
    clear_folders "${RECORDS}/lists" "$@"
  fi
}
clear_package_folders() {
  local folder
  clear_data containerd.io "${CONTAINERD_FOLDERS[@]}"
  clear_data docker-ce "${DOCKER_FOLDERS[@]}"
  # dockerd's own, made at its first start
  if read_list "${RECORDS}/lists" /etc/docker && [[ "${TEXT}" == $'absent\n' ]]; then rm -f -- "${ROOT}/etc/docker/key.json"; fi
  for folder in "${PACKAGE_FOLDERS[@]}"; do
    if [[ -d "${ROOT}${folder}" ]] && read_list "${RECORDS}/lists" "${folder}" && [[ "${TEXT}" == $'absent\n' ]]; then rmdir -- "${ROOT}${folder}" 2>/dev/null || true; fi
  done
}
