// Package wire has the form of netlink's messages, netlink(7): headers, and
// attributes that are checked against a policy before anything reads them.
//
//	Header      struct nlmsghdr
//	Messages    the messages of a datagram, one after the other
//	Policy      which attributes a message may have, and of what kind
//	Attrs       the attributes of one message, by type
//	Builder     writes messages and attributes
//
// Numbers are in the byte order of the machine but where a name says BE. It
// knows no protocol and no socket. What it reads may be anything: lengths are
// checked here, and a getter of an attribute that is missing or short gives zero.
package wire
