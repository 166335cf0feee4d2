# Runs the tests of a folder and counts each, for what ends with the line `N passed, N failed`. Sourced, never run; `passed` and `failed` are set to 0 before.
# shellcheck shell=bash

suite() { # FOLDER NODE-OPTIONS...
  local files="test/$1/**/*.test.ts" out
  [[ ! -e "test/$1/all.ts" ]] || files="test/$1/all.ts" # all of them in one process
  printf '== %s\n' "$1"
  shift
  out="$(mktemp)"
  node --test --test-reporter spec --test-reporter-destination stdout --test-reporter tap --test-reporter-destination "${out}" "$@" "${files}" || true
  local p f n
  p="$(sed -n 's/^# pass //p' "${out}")" n="$(sed -n 's/^# tests //p' "${out}")"
  rm -f -- "${out}"
  # All that did not pass has failed: cancelled, skipped, or a run that printed no count at all.
  f=$((${n:-0} - ${p:-0}))
  [[ "${n:-0}" -gt 0 ]] || f=1
  passed=$((passed + ${p:-0})) failed=$((failed + f))
}
