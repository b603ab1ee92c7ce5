package conntrack

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// Tunables are the values of /proc/sys/net/netfilter/nf_conntrack_*: seconds, but
// for those that say otherwise.
type Tunables struct {
	Max        int // connections
	Loose      bool
	Accounting bool
	TCP        [tcpStates]time.Duration
	UDP        time.Duration
	UDPStream  time.Duration
	ICMP       time.Duration
	ICMPv6     time.Duration
	Generic    time.Duration
}

// DefaultTunables are Linux's.
func DefaultTunables() Tunables {
	return Tunables{
		Max: 65536, Loose: true,
		TCP: [tcpStates]time.Duration{
			TCPSynSent: 120 * time.Second, TCPSynRecv: 60 * time.Second, TCPEstablished: 5 * 24 * time.Hour,
			TCPFinWait: 120 * time.Second, TCPCloseWait: 60 * time.Second, TCPLastAck: 30 * time.Second,
			TCPTimeWait: 120 * time.Second, TCPClose: 10 * time.Second, TCPSynSent2: 120 * time.Second,
		},
		UDP: 30 * time.Second, UDPStream: 120 * time.Second, ICMP: 30 * time.Second, ICMPv6: 30 * time.Second, Generic: 600 * time.Second,
	}
}

// TunableNames are the names that Get knows, sorted.
func TunableNames() []string {
	return []string{"acct", "generic_timeout", "icmp_timeout", "icmpv6_timeout", "max", "tcp_loose", "tcp_timeout_close",
		"tcp_timeout_close_wait", "tcp_timeout_established", "tcp_timeout_fin_wait", "tcp_timeout_last_ack", "tcp_timeout_syn_recv",
		"tcp_timeout_syn_sent", "tcp_timeout_time_wait", "udp_timeout", "udp_timeout_stream"}
}

// field returns where a tunable is, by its name without "nf_conntrack_".
func (t *Tunables) field(name string) *time.Duration {
	switch name {
	case "tcp_timeout_syn_sent":
		return &t.TCP[TCPSynSent]
	case "tcp_timeout_syn_recv":
		return &t.TCP[TCPSynRecv]
	case "tcp_timeout_established":
		return &t.TCP[TCPEstablished]
	case "tcp_timeout_fin_wait":
		return &t.TCP[TCPFinWait]
	case "tcp_timeout_close_wait":
		return &t.TCP[TCPCloseWait]
	case "tcp_timeout_last_ack":
		return &t.TCP[TCPLastAck]
	case "tcp_timeout_time_wait":
		return &t.TCP[TCPTimeWait]
	case "tcp_timeout_close":
		return &t.TCP[TCPClose]
	case "udp_timeout":
		return &t.UDP
	case "udp_timeout_stream":
		return &t.UDPStream
	case "icmp_timeout":
		return &t.ICMP
	case "icmpv6_timeout":
		return &t.ICMPv6
	case "generic_timeout":
		return &t.Generic
	}
	return nil
}

// Get returns a tunable by its name without "nf_conntrack_", ENOENT if there is none.
func (t *Tunables) Get(name string) (int, error) {
	switch name {
	case "max":
		return t.Max, nil
	case "tcp_loose":
		return boolInt(t.Loose), nil
	case "acct":
		return boolInt(t.Accounting), nil
	}
	if d := t.field(name); d != nil {
		return int(*d / time.Second), nil
	}
	return 0, unix.ENOENT
}

// Set changes one.
func (t *Tunables) Set(name string, v int) error {
	if v < 0 || v > 1<<31-1 {
		return unix.EINVAL
	}
	switch name {
	case "max":
		t.Max = min(v, maxConns)
		return nil
	case "tcp_loose":
		t.Loose = v != 0
		return nil
	case "acct":
		t.Accounting = v != 0
		return nil
	}
	d := t.field(name)
	if d == nil {
		return unix.ENOENT
	}
	*d = time.Duration(v) * time.Second
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// timeout is how long a connection lives after a packet. The caller holds c.mu.
func (t *Tunables) timeout(c *Conn) time.Duration {
	switch c.tuples[0].Proto {
	case header.ProtocolTCP:
		return t.TCP[c.tcp]
	case header.ProtocolUDP, header.ProtocolUDPLite:
		if c.Status()&Assured != 0 {
			return t.UDPStream
		}
		return t.UDP
	case header.ProtocolICMP:
		return t.ICMP
	case header.ProtocolICMPv6:
		return t.ICMPv6
	}
	return t.Generic
}
