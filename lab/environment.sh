# The environment in which `lab/lab exec` runs a command: the lab's network, its Pulumi and its stack's state.
# shellcheck shell=bash

# An official CLI has its language hosts beside it; without them it is of no use here.
official_pulumi() {
  local found
  found="$(command -v pulumi 2>/dev/null)" || return 0
  found="$(readlink -f -- "${found}")"
  if [[ -x "$(dirname -- "${found}")/pulumi-language-nodejs" ]]; then dirname -- "${found}"; fi
}
official_plugin() { # NAME VERSION
  local folder="${PULUMI_HOME:-${HOME}/.pulumi}/plugins/resource-$1-v$2"
  if [[ -x "${folder}/pulumi-resource-$1" ]]; then printf '%s\n' "${folder}"; fi
}

# The stand-in, as the executable that the engine looks for.
stand_in() { # FILE MAIN
  printf '#!/bin/sh\nexec %q --disable-warning=ExperimentalWarning %q "$@"\n' "${PROJECT}/node_modules/.bin/node" "${PROJECT}/lab/stand-ins/$2" >"$1"
  chmod 0755 -- "$1"
}

environment_files() {
  local bin="${LAB}/bin" plugins="${LAB}/pulumi/plugins" official
  mkdir -p -- "${bin}" "${plugins}"
  install -d -m 0700 -- "${LAB}/tmp"
  ln -sf -- "$(piece kubernetes)/kubectl" "${bin}/kubectl"
  official_pulumi >"${LAB}/cli"
  if [[ ! -s "${LAB}/cli" ]]; then
    # A hard link, not a symbolic one: the CLI looks for its language host beside its real path.
    ln -f -- "$(piece pulumi)/pulumi" "${bin}/pulumi"
    stand_in "${bin}/pulumi-language-nodejs" language-host.ts
  fi
  # Folders of links: the engine passes over a folder that is a link itself.
  mkdir -p -- "${plugins}"/resource-{kubernetes-v4.25.0,command-v1.2.1}
  official="$(official_plugin kubernetes 4.25.0)"
  ln -sf -- "${official:-$(piece kubernetes-provider)}/pulumi-resource-kubernetes" "${plugins}/resource-kubernetes-v4.25.0/"
  official="$(official_plugin command 1.2.1)"
  if [[ -n "${official}" ]]; then
    ln -sf -- "${official}/pulumi-resource-command" "${plugins}/resource-command-v1.2.1/"
  else
    stand_in "${plugins}/resource-command-v1.2.1/pulumi-resource-command" command-plugin.ts
  fi
}

# Becomes the command, so that Ctrl-C and signals reach it and nothing else.
environment_exec() {
  local official=''
  # The CLI that `up` took, whatever this shell has on PATH.
  if [[ -s "${LAB}/cli" ]]; then read -r official <"${LAB}/cli"; fi
  [[ -z "${official}" || -x "${official}/pulumi" ]] ||
    die "${official}/pulumi: not found, and lab/lab up took this official CLI. Install it there again; or, with a new lab: lab/lab down, then lab/lab up"
  # PATH: this project's node goes before one that may lie beside an official CLI, and that CLI before any other.
  # TMPDIR: the Kubernetes provider writes an admin kubeconfig there at each run (lab/README.md).
  # metadata=skip: a state's file is renamed into place, its metadata is not; killed in between, the engine leaves a state that none can read.
  exec env -u SSH_AUTH_SOCK -u KUBECONFIG \
    PATH="${LAB}/bin:${PROJECT}/node_modules/.bin:${official:+${official}:}${PATH}" \
    KUBEADM_LAB="${LAB}" TMPDIR="${LAB}/tmp" NODE_COMPILE_CACHE="${LAB}/node" \
    PULUMI_HOME="${LAB}/pulumi" PULUMI_BACKEND_URL="file://${LAB}/state?metadata=skip" PULUMI_CONFIG_PASSPHRASE=kubeadm-lab \
    PULUMI_SKIP_UPDATE_CHECK=true PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true PULUMI_DISABLE_REGISTRY_RESOLVE=true PULUMI_SUPPRESS_NEO_LINK=true \
    nsenter --target "$(init)" --net -- "$@"
}

# The era's stack, empty. Its passphrase is no secret: the keys it guards are this lab's and end with it.
stack_make() {
  mkdir -p -- "${LAB}/state"
  (cd -- "${PROJECT}" && environment_exec pulumi stack init "${STACK}" --non-interactive >"${LAB}/log/stack.log" 2>&1 </dev/null) || {
    cat -- "${LAB}/log/stack.log" >&2
    die 'pulumi could not make the stack; the lines above say why'
  }
}
