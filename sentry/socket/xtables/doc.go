// Package xtables is iptables as it was before nftables: the socket options of
// iptables-legacy and ip6tables-legacy, which read and replace whole tables in one
// piece of memory.
//
//	options.go    the options, and the structs that they pass
//	blob.go       the entries of a table, from the memory of a guest
//	compile.go    entries to chains of netstack/filter
//	initial.go    the tables as they are before anybody replaced them
//
// A table that was set is kept as it came: what is read back is the same memory
// with the counters of now. The filter has chains made of it, and does not show
// them to nftables.
package xtables
