# Runs the tests of a folder and counts each, for what ends with the line `N passed, N failed`. Sourced, never run; `passed` and `failed` are set to 0 before, and
# `suites` to an empty list of lines: name, tests, seconds.
# shellcheck shell=bash disable=SC2034 # those that source it use them

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
