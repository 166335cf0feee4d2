#!/usr/bin/env bash
# What a cluster runs on, asked on its control plane: kubelet, container runtime, file system of the control groups. For docs/runs.json.
HOME=/tmp/kubectl kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl get nodes -o 'jsonpath={.items[0].status.nodeInfo.kubeletVersion} {.items[0].status.nodeInfo.containerRuntimeVersion} '
stat -f -c %T /sys/fs/cgroup
