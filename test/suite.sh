# Runs the tests of a folder and counts each, for what ends with the line `N passed, N failed`. Sourced, never run; `passed` and `failed` are set to 0 before, and
# `suites` to an empty list of lines: name, tests, seconds.
# shellcheck shell=bash disable=SC2034 # those that source it use them

COMMIT="$(git describe --always --dirty)" # before tests write what came out
# For docs/runs.json and the README's table: before the tests, a file for what their cluster runs on (test/seen.sh), and after them what came out.
begin_note() {
  KUBEADM_LAB_SEEN="$(mktemp)"
  export KUBEADM_LAB_SEEN
}
note_run() { # COMMAND, as one types it
  node commands/runs-table.ts "$1" "${COMMIT}" "${passed}" "${failed}" <"${KUBEADM_LAB_SEEN}"
  rm -f -- "${KUBEADM_LAB_SEEN}"
}
# Starts the tests of a folder. Sets SUITE: pid of the run and the file that its counts come to.
begin() { # FOLDER NODE-OPTIONS...
  local files="test/$1/**/*.test.ts" out
  [[ ! -e "test/$1/all.ts" ]] || files="test/$1/all.ts" # all of them in one process
  shift
  out="$(mktemp)"
  node --test --test-reporter spec --test-reporter-destination stdout --test-reporter tap --test-reporter-destination "${out}" "$@" "${files}" &
  SUITE=("$!" "${out}")
}
# Waits for them and counts each.
end() { # FOLDER PID FILE
  local p f n ms
  wait "$2" || true
  p="$(sed -n 's/^# pass //p' "$3")" n="$(sed -n 's/^# tests //p' "$3")" ms="$(sed -n 's/^# duration_ms \([0-9]*\).*/\1/p' "$3")"
  rm -f -- "$3"
  # All that did not pass has failed: cancelled, skipped, or a run that printed no count at all.
  f=$((${n:-0} - ${p:-0}))
  [[ "${n:-0}" -gt 0 ]] || f=1
  passed=$((passed + ${p:-0})) failed=$((failed + f))
  suites+=("$1"$'\t'"${n:-0}"$'\t'"$((${ms:-0} / 1000))")
}
suite() { # FOLDER NODE-OPTIONS...
  printf '== %s\n' "$1"
  begin "$@"
  end "$1" "${SUITE[@]}"
}

# The tests of a folder in a lab of its own of an era (the same builds, nothing of another lab's run), as a whole command: `passed`, `failed` and the note for note_run are
# there afterwards. The lab is up before the tests: on a new machine that builds for minutes, which none of their bounds allows for. However that command ends, the lab goes, and the last line tells what came out; one that does not come to `finished=yes` has failed.
suite_in_own_lab() { # FOLDER ERA
  OWN_CACHE="$(mktemp -d)"
  finished=no
  trap end_own_lab EXIT
  bash lab/setup
  mkdir -p -- "${CACHE}/toolchain" "${CACHE}/content"
  ln -s -t "${OWN_CACHE}" -- "${CACHE}/toolchain" "${CACHE}/content"
  KUBEADM_LAB_CACHE="${OWN_CACHE}" bash lab/lab up --era "$2"
  begin_note
  KUBEADM_LAB_CACHE="${OWN_CACHE}" suite "$1" --test-concurrency=1
}
end_own_lab() {
  KUBEADM_LAB_CACHE="${OWN_CACHE}" bash lab/lab down || true
  rm -rf -- "${OWN_CACHE}"
  [[ "${finished}" == yes ]] || failed=$((failed + 1))
  printf '%d passed, %d failed\n' "${passed}" "${failed}"
}

# What a run writes into a page of the documents by itself, between two marks of its own. NAME is that of its command: hosts for `npm run test:hosts`.
mark() { printf '<!-- test:%s: %s -->' "$1" "$2"; } # NAME WHICH
begin_mark() { mark "$1" "begin; written by test/$1/run"; }
need_marks() { # NAME PAGE: before the work, not after it
  if grep -qxF -- "$(begin_mark "$1")" "$2" && grep -qxF -- "$(mark "$1" end)" "$2"; then return 0; fi
  printf '%s: the marks %s and %s are not both there\n' "$2" "$(begin_mark "$1")" "$(mark "$1" end)" >&2
  return 1
}
write_page() { # NAME PAGE TEXT
  # shellcheck disable=SC2016 # awk's
  text="$3" awk -v begin="$(begin_mark "$1")" -v end="$(mark "$1" end)" '$0 == end {skip = 0} !skip {print} $0 == begin {print ENVIRON["text"]; skip = 1}' "$2" >"$2.part"
  cat -- "$2.part" >"$2"
  rm -f -- "$2.part"
}
# With what it was run: the date, the commit, the releases. The lab must be up, or PULUMI_VERSION be set.
versions() {
  local kubernetes containerd
  kubernetes="$(awk '$1 == "kubernetesVersion:" { inside = 1 } inside && $1 == "default:" { print $2; exit }' Pulumi.yaml)" # the lab's file names none
  containerd="$(sed -n 's/^Version: //p' lab/content/specs/docker-ce.spec)"
  printf '%s, %d minutes, commit %s; Kubernetes %s, containerd %s, pulumi %s' "$(date -u +%F)" "$((SECONDS / 60))" "${COMMIT}" \
    "${kubernetes}" "${containerd}" "${PULUMI_VERSION:-unknown}"
}
