#!/usr/bin/env bash
# How far this host's clock is from an HTTP server's, to about a second: every such server says its time, and no certificate has to be valid for that yet.

# Whole seconds that this host is ahead (negative: behind); 1 where there is no answer.
seconds_ahead() { # URL [PROXY]
  local before after answer date age theirs
  before="$(date +%s)"
  answer="$(timeout 15 curl --silent --insecure --max-time 10 --output /dev/null --dump-header - ${2:+--proxy "$2"} -- "$1" | tr -d '\r')" || return 1
  after="$(date +%s)"
  date="$(printf '%s\n' "${answer}" | sed -n 's/^date: *//Ip' | tail -n 1)"
  age="$(printf '%s\n' "${answer}" | sed -n 's/^age: *\([0-9][0-9]*\) *$/\1/Ip' | tail -n 1)" # a cache repeats an old date
  [[ -n "${date}" ]] && theirs="$(date -d "${date}" +%s 2>/dev/null)" || return 1
  theirs=$((theirs + ${age:-0}))
  if ((theirs < before)); then
    printf '%s' $((before - theirs))
  elif ((theirs > after)); then
    printf '%s' $((after - theirs))
  else
    printf '0'
  fi
}
