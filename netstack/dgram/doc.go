// Package dgram has the queues that sockets of messages share: UDP, raw, ping
// and packet sockets.
//
//	Queue    messages that arrived, bounded by the bytes they hold
//	Errors   what IP_RECVERR tells of: ICMP errors and time stamps, bounded too
//
// Neither has a lock: their socket's guards them.
package dgram
