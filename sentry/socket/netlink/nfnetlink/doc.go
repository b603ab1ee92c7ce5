// Package nfnetlink answers NETLINK_NETFILTER: nftables, as nft(8) and iptables-nft
// speak it, and the connection tracker, as conntrack(8) does.
//
//	protocol.go            the subsystems; single requests
//	batch.go               changes, all of which hold or none
//	tables.go … objects.go what is asked of each kind of thing, and how it is written
//	decode*.go, encode.go  expressions from attributes and to them
//	conntrack.go           connections
//	log.go                 packets that rules log to a group
//
// The rules themselves, and all that they do, are netstack/filter's. Numbers are in
// the network's byte order here, unlike in the rest of netlink.
package nfnetlink
