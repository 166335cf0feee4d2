#!/usr/bin/env bash
# uses: kubectl.sh
# This step makes a Pod of the gallery, from the control plane: MANIFEST is its JSON, NAME its name. Not a Pod resource: most of these never become Ready, and some are not
# deleted in the usual way (DELETE_OPTIONS).
# apply makes it and waits until its line in `kubectl get pod` matches SETTLED, at most SETTLE_SECONDS; prints that line.
# undo deletes it, waits until it is gone, at most DELETE_SECONDS.
readonly ADMIN=/etc/kubernetes/admin.conf
readonly DELETE_SECONDS=180 # a postStart hook that hangs holds up a deletion until it ends (1.29, lab, 24 November 2026)

takes_no_lock() { :; } # several at once on one host; each has its state in the API

pod_line() { kube "${ADMIN}" get pod "${NAME}" --no-headers --ignore-not-found; }
# One kubectl that watches: asking again and again would keep the control plane busy, and disturb what is looked at. It goes on for a while, without
# this run's stderr: else nobody would know that the run has ended.
has_settled() {
  local line
  while IFS= read -r line; do
    seen "${line}"
    [[ ! "${line}" =~ ${SETTLED} ]] || return 0
  done < <(exec 2>/dev/null </dev/null && kube_within "${SETTLE_SECONDS}" "${ADMIN}" get pod "${NAME}" --watch --no-headers)
  return 1
}
check() {
  local line
  line="$(pod_line 2>&1)" || true
  [[ "${line}" == "${NAME}"* ]] || differs "Pod ${NAME}" 'present' 'absent'
}
apply() {
  local answer
  # Most of a Pod can't change: one that is there stays.
  if [[ "$(pod_line 2>/dev/null)" != "${NAME}"* ]]; then
    answer="$(printf '%s\n' "${MANIFEST}" | kube "${ADMIN}" create -f - 2>&1)" || die "Pod ${NAME} was refused: ${answer}"
  fi
  has_settled || log "${NAME} does not look as expected after ${SETTLE_SECONDS} s: ${LAST_SEEN} (expected ${SETTLED})"
  printf '%s\n' "${LAST_SEEN}"
}
undo() {
  local answer
  [[ -s "${ROOT}${ADMIN}" && "$(pod_line 2>/dev/null)" == "${NAME}"* ]] || return 0
  answer="$(kube_within "${DELETE_SECONDS}" "${ADMIN}" delete pod "${NAME}" "${DELETE_OPTIONS[@]+"${DELETE_OPTIONS[@]}"}" 2>&1)" ||
    die "Pod ${NAME} is not gone after ${DELETE_SECONDS} s: ${answer}. See kubectl describe pod ${NAME}"
  log "${NAME} is gone"
  drop_kubectl_cache
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
