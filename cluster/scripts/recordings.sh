#!/usr/bin/env bash
# Where a recording is on a host: a log like others, so it stays when the host is given back, until it is fetched.
# shellcheck disable=SC2034 # for the scripts that use this file
readonly FOLDER="${ROOT}/var/log/kubeadm-lab/recording"
