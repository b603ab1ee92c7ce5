package header

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826).
//
//	0   hardware type (2), 1
//	2   protocol type (2), 0x0800
//	4   hardware and protocol address lengths (1, 1), 6 and 4
//	6   operation (2)
//	8   sender's hardware (6) and protocol (4) address
//	18  target's hardware (6) and protocol (4) address
type ARP []byte

// ARPSize is the length of the packet in bytes.
const ARPSize = 28

// ARPOp is an operation.
type ARPOp uint16

const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// ARPFields is what Encode writes.
type ARPFields struct {
	Op                     ARPOp
	SenderHW, TargetHW     [6]byte
	SenderAddr, TargetAddr netip.Addr
}

// Valid reports whether the packet is all there and is for IPv4 over Ethernet.
func (h ARP) Valid() bool {
	return len(h) >= ARPSize && h[0] == 0 && h[1] == 1 && h[2] == 8 && h[3] == 0 && h[4] == 6 && h[5] == 4
}

// Op is the operation.
func (h ARP) Op() ARPOp { return ARPOp(binary.BigEndian.Uint16(h[6:])) }

// SenderHW is the sender's hardware address.
func (h ARP) SenderHW() [6]byte { return [6]byte(h[8:14]) }

// SenderAddr is the sender's address.
func (h ARP) SenderAddr() netip.Addr { return addr4(h[14:18]) }

// TargetHW is the target's hardware address.
func (h ARP) TargetHW() [6]byte { return [6]byte(h[18:24]) }

// TargetAddr is the target's address.
func (h ARP) TargetAddr() netip.Addr { return addr4(h[24:28]) }

// Encode writes the packet.
func (h ARP) Encode(f ARPFields) {
	_ = h[ARPSize-1]
	copy(h, []byte{0, 1, 8, 0, 6, 4})
	binary.BigEndian.PutUint16(h[6:], uint16(f.Op))
	copy(h[8:14], f.SenderHW[:])
	putAddr4(h[14:], f.SenderAddr)
	copy(h[18:24], f.TargetHW[:])
	putAddr4(h[24:], f.TargetAddr)
}

// String prints the packet.
func (h ARP) String() string {
	if !h.Valid() {
		return "[|arp]"
	}
	switch h.Op() {
	case ARPRequest:
		s := "ARP, Request who-has " + h.TargetAddr().String()
		if hw := h.TargetHW(); hw != ([6]byte{}) {
			s += " (" + hwString(hw) + ")"
		}
		return s + " tell " + h.SenderAddr().String()
	case ARPReply:
		return "ARP, Reply " + h.SenderAddr().String() + " is-at " + hwString(h.SenderHW())
	}
	return "ARP, op " + strconv.Itoa(int(h.Op()))
}
