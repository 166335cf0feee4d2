#!/usr/bin/env bash
# shellcheck disable=SC2034 # ADDRESSES and NETWORKS are for the scripts that come after this file
# Which IPv4 addresses this host's network cards have.
# As `ip -o -4 address show` has them: `2: eth0    inet 172.16.1.112/24 brd … scope global eth0`, and of a
# point-to-point link `5: tun0    inet 10.8.0.6 peer 10.8.0.5/32 scope global tun0`: its own end has no mask, and what it reaches is the other end's network.

read_cards() { # ADDRESSES: `card address/bits`, one a line; NETWORKS: the same with the network that goes through the card
  local card family own word other
  ADDRESSES='' NETWORKS=''
  while read -r _ card family own word other _; do
    [[ "${family}" == inet ]] || continue
    [[ "${word}" == peer ]] || other="${own}"
    [[ "${own}" == */* ]] || own+=/32
    [[ "${other}" == */* ]] || other+=/32
    ADDRESSES+="${ADDRESSES:+$'\n'}${card%%@*} ${own}"
    NETWORKS+="${NETWORKS:+$'\n'}${card%%@*} ${other}"
  done < <(ip -o -4 address show)
}
