# iptables-nft and ip6tables-nft: rules in, rules out.
set -v
iptables-nft -A INPUT -p tcp --dport 22 -m state --state NEW -j ACCEPT
iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/s -j ACCEPT
iptables-nft -A INPUT -p udp -m multiport --dports 53,67:68 -m comment --comment hi -j RETURN
iptables-nft -A INPUT -m mark --mark 5/7 -j LOG --log-prefix "x "
iptables-nft -A INPUT -p tcp --syn -m tcp ! --sport 1:10 -j REJECT --reject-with tcp-reset
iptables-nft -A INPUT -j REJECT
iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.1:80
iptables-nft -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 8080
iptables-nft -t nat -A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4-1.2.3.6:1000-2000
iptables-nft -t mangle -A PREROUTING -j MARK --set-xmark 0x1/0xff
iptables-nft -t mangle -A PREROUTING -j CONNMARK --save-mark
iptables-nft -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
iptables-nft -A OUTPUT -m owner --uid-owner 0 -j ACCEPT
iptables-nft -A OUTPUT -d 127.0.0.11 -p udp --dport 53 -j DROP
iptables-nft -t raw -A PREROUTING -p udp -j CT --notrack
iptables-nft -A INPUT -m statistic --mode random --probability 0.5 -j DROP
iptables-nft -A INPUT -m iprange --src-range 1.2.3.4-1.2.3.9 -j DROP
iptables-nft -A INPUT -m tcp -p tcp -m connmark --mark 1 -j DROP
iptables-nft -A INPUT -m pkttype --pkt-type broadcast -j DROP
iptables-nft -A INPUT -m ttl --ttl-lt 5 -j DROP
iptables-nft -A INPUT -m length --length 100:200 -j DROP
iptables-nft -A INPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP
ip6tables-nft -A INPUT -p icmpv6 --icmpv6-type echo-request -j ACCEPT
ip6tables-nft -A INPUT -j REJECT
ip6tables-nft -t nat -A POSTROUTING -j MASQUERADE
iptables-nft -S
iptables-nft -t nat -S
iptables-nft -L -n -v
iptables-nft -t mangle -S
iptables-nft -t raw -S
ip6tables-nft -S
ip6tables-nft -t nat -S
iptables-nft-save | grep -v '^#'
iptables-nft -D INPUT 1
iptables-nft -N foo
iptables-nft -A foo -j RETURN
iptables-nft -I INPUT 2 -j foo
iptables-nft -X foo
iptables-nft -P FORWARD DROP
iptables-nft -S
 iptables-nft -F
iptables-nft -X
iptables-nft -Z
iptables-nft -S
iptables-nft -C INPUT -j ACCEPT
nft list ruleset
