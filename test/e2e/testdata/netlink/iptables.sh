# iptables-nft and ip6tables-nft: rules in, rules out.
set -v
kind=nft
. $data/iptables.rules
nft list ruleset
