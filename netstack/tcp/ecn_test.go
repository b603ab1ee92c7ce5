package tcp

import "testing"

func TestECN(t *testing.T) {
	ecn := func(x *trace) {
		x.step("< SEW 0 " + x.synOptions())
		x.step("> S.E 0 ack 1")
		x.step("+10ms")
		x.step("< . 1 ack 1")
	}
	runAll(t, []traceCase{
		{"the SYN asks", "RFC 3168 6.1.1", nil, `
			: ecn=1
			connect
			> SEW 0
			< S.E 0 ack 1 <mss 1000>
			> . 1 ack 1 noect
			write 100
			> P. 1:101 ect
		`},
		{"the SYN that is sent again does not", "RFC 3168 6.1.1.1", nil, `
			: ecn=1
			connect
			> SEW 0
			+1s
			> S 0
		`},
		{"a reply without ECE declines", "RFC 3168 6.1.1", nil, `
			: ecn=1
			connect
			> SEW 0
			< S. 0 ack 1 <mss 1000>
			> . 1 ack 1
			write 100
			> P. 1:101 noect
		`},
		{"a reply with both bits declines", "RFC 3168 6.1.1", nil, `
			: ecn=1
			connect
			> SEW 0
			< S.EW 0 ack 1 <mss 1000>
			> . 1 ack 1
			write 100
			> P. 1:101 noect
		`},
		{"a mark is echoed until CWR comes", "RFC 3168 6.1.3", ecn, `
			< P. 1:101 ack 1 ce
			> .E 1 ack 101
			< P. 101:201 ack 1
			> .E 1 ack 201
			< P.W 201:301 ack 1
			> . 1 ack 301
		`},
		{"an echo reduces the window once and says CWR", "RFC 3168 6.1.2", ecn, `
			write 10000
			>*
			+10ms
			< .E 1 ack 1001
			ssthresh 5
			ca cwr
			write 5000
			> .W 10001:11001
			< .E 1 ack 2001
			< .E 1 ack 3001
			ssthresh 5
			< .E 1 ack 6001
			>*
			ssthresh 5
		`},
		{"CWR goes with new data", "RFC 3168 6.1.2", ecn, `
			write 12000
			>*
			< .E 1 ack 4001
			> .W 10001:11001 ect
			>*
		`},
		{"a retransmission is not capable", "RFC 3168 6.1.5 MUST NOT", ecn, `
			write 5000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001 noect
		`},
		{"a pure acknowledgment is not capable", "RFC 3168 6.1.4", ecn, `
			< P. 1:101 ack 1
			> . 1 ack 101 noect
		`},
		{"a probe of the window is not capable", "RFC 3168 6.1.6", ecn, `
			< . 1 ack 1 win 0
			write 100
			+250ms
			> . 0 noect
		`},
	})
}
