// Package icmp makes and reads control messages of IPv4 and IPv6: errors and
// what they quote, the errnos they stand for, and the limit on how many are sent.
//
// It sends nothing itself and knows no socket.
package icmp
