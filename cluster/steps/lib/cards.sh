#!/usr/bin/env bash
# Which IPv4 addresses this host's network cards have.
# As `ip -o -4 address show` has them: `2: eth0    inet 172.16.1.112/24 brd … scope global eth0`, and of a
# point-to-point link `5: tun0    inet 10.8.0.6 peer 10.8.0.5/32 scope global tun0`: its own end has no mask, and what it reaches is the other end's network.

card_addresses() { of_cards own; }  # `card address/bits`, one a line
card_networks() { of_cards other; } # the same with the network that goes through the card
of_cards() {                        # own|other
  ip -o -4 address show | awk -v end="$1" '$3 == "inet" {
    card = $2; sub(/@.*/, "", card)
    found = end == "other" && $5 == "peer" ? $6 : $4
    print card, (found ~ "/" ? found : found "/32")
  }'
}
