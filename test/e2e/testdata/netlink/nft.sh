# Rulesets as nft reads them and lists them back.
set -v
nft -f $data/rules.nft
nft -a list ruleset
nft add rule inet t in tcp dport 99 accept
nft insert rule inet t in tcp dport 98 drop
nft add element inet t s4 { 172.16.0.0/12 }
nft add element inet t s4 { 172.16.0.0/12 }
nft create element inet t s4 { 172.16.0.0/12 }
nft delete element inet t s4 { 10.0.0.0/8 }
nft delete element inet t s4 { 10.0.0.0/8 }
nft delete chain inet t web
nft list set inet t s4
nft get element inet t s4 { 172.16.5.5 }
nft get element inet t s4 { 9.9.9.9 }
nft list chain inet t web
nft replace rule inet t in handle 9999 drop
nft 'add chain inet t c2 { policy drop; }'
nft add chain inet t c3
nft add rule inet t c3 jump c3
nft rename chain inet t c3 c4
nft delete table ip n
nft list tables
nft create table inet t
nft add table inet t2 '{ flags dormant; }'
nft list table inet t2
nft -f - <<END
flush chain inet t in
delete chain inet t missing
END
nft list chain inet t in | wc -l
nft list counters
nft reset counter inet t cnt
nft flush set inet t s4
nft list set inet t s4
nft flush ruleset
nft list ruleset
nft add chain ip nope x
nft delete table inet t
