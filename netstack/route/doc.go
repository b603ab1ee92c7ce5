// Package route decides where a packet goes and which address it bears.
//
//	trie      the longest prefix that matches; a snapshot is read without a lock
//	Table     the routes of one table: by prefix, type of service and metric
//	Rule      which tables are asked, in which order, for which packets
//	RIB       the rules and tables of one family of a namespace
//	Source    the choice of a source address: RFC 6724, and Linux's for IPv4
//
// A change makes a new snapshot and leaves the old one to its readers. Numbers
// (tables, protocols, scopes, types, actions of rules) are those of
// linux/rtnetlink.h and linux/fib_rules.h, so that netlink needs no translation.
//
// It knows no interface but by its index, no packet and no clock.
package route
