#!/usr/bin/env bash
# What is asked of rpm, and of the stack's own repositories through yum. REPOSITORIES: array of texts, each with the sections of a .repo file.

# yum 3, or dnf under its name: they keep locks in different files and forms, and some options have other names.
YUM='' YUM_OPTIONS=()
is_dnf() {
  [[ -n "${YUM}" ]] || YUM="$(readlink -f -- "$(command -v yum)" || true)"
  [[ "${YUM}" == *dnf* ]]
}
sections() { # yum's own ids of our repositories
  local entry
  for entry in "${REPOSITORIES[@]+"${REPOSITORIES[@]}"}"; do sed -n 's/^\[\(.*\)\]$/\1/p' < <(printf '%s\n' "${entry}"); done
}
# What the host's own [main] says of other transactions does not count in ours: its excludes, tsflags=noscripts, obsoletes=0 and the like. Its proxy does;
# so do the excludes of our own repositories, and locks.
choose_ours() { # FOLDER of the .repo files: YUM_OPTIONS are for our repositories alone
  local section
  YUM_OPTIONS=(-y -q '--disablerepo=*' --disableexcludes=main --setopt={retries=3,tsflags=,assumeno=0,obsoletes=1,multilib_policy=best,reposdir="$1"})
  if is_dnf; then YUM_OPTIONS+=(--setopt=strict=1); else YUM_OPTIONS+=(--setopt=skip_broken=0); fi
  while read -r section; do
    [[ -z "${section}" ]] || YUM_OPTIONS+=("--enablerepo=${section}")
  done < <(sections)
}
# Those of PACKAGES that are not installed. An answer in any other form is trouble with rpm itself, not a missing package.
missing_of() { # PACKAGES...
  local answer
  (($# > 0)) || return 0
  if answer="$(rpm -q "$@" 2>&1)"; then return 0; fi
  [[ "${answer}"$'\n' == *' is not installed'$'\n'* ]] || die "rpm -q failed: ${answer}"
  printf '%s\n' "${answer}" | sed -n 's/^package \(.*\) is not installed$/\1/p'
}
# What the repositories have by now. It is asked past all that yum keeps on the host, its keys too, in a folder that the script's at_exit drops.
# yum 3 has worked out where it keeps a repository's keys before it looks at persistdir: it is told the place itself.
ASK_FOLDER='' ANSWER='' # lines of NAME VERSION; where they do not answer, what yum said last
drop_ask_folder() { [[ -z "${ASK_FOLDER}" ]] || rm -rf -- "${ASK_FOLDER:?}"; }
ask_repositories() { # NAMES of packages...: ANSWER; 1 where one of the repositories does not answer
  local status=0
  ASK_FOLDER="$(mktemp -d -- "${ROOT}/run/kubeadm-lab-${STEP}.XXXXXX")" || die 'cannot make a folder in /run; look at df /run'
  printf '%s\n' "${REPOSITORIES[@]+"${REPOSITORIES[@]}"}" >"${ASK_FOLDER}/ours.repo"
  choose_ours "${ASK_FOLDER}"
  YUM_OPTIONS+=(--disableplugin=versionlock "--setopt=cachedir=${ASK_FOLDER}/cache")
  if is_dnf; then
    YUM_OPTIONS+=("--setopt=persistdir=${ASK_FOLDER}/kept" "--setopt=logdir=${ASK_FOLDER}" --setopt=skip_if_unavailable=0)
  else
    YUM_OPTIONS+=("--setopt=_repos_persistdir=${ASK_FOLDER}/kept")
  fi
  timeout -k 10 300 yum "${YUM_OPTIONS[@]}" list available --showduplicates "$@" >"${ASK_FOLDER}/found" 2>"${ASK_FOLDER}/said" || status=$?
  if ((status == 0)) || grep -q 'No matching Packages to list' -- "${ASK_FOLDER}/said"; then
    # Below the heading NAME.ARCH, [EPOCH:]VERSION-RELEASE and repository, which yum 3 spreads over two or three lines where they are long.
    ANSWER="$(awk 'isList { for (i = 1; i <= NF; i++) { word[n++ % 3] = $i; if (n % 3 == 0) print word[0], word[1] } } /^Available Packages/ { isList = 1 }' "${ASK_FOLDER}/found" |
      sed -nE 's/^([^ ]+)\.[^ .]+ ([0-9]+:)?([0-9A-Za-z._+~^]+)-[^ -]+$/\1 \3/p')"
    return 0
  fi
  ANSWER="$(grep -v '^[[:space:]]*$' -- "${ASK_FOLDER}/said" | tail -n 1)" || true
  ((status != 124)) || ANSWER='nothing in 300 s'
  ANSWER="${ANSWER//[[:cntrl:]]/ }"
  return 1
}
