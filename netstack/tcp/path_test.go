package tcp

import "testing"

func TestPath(t *testing.T) {
	runAll(t, []traceCase{
		{"a smaller MTU sends again at once", "RFC 1191 6.5", established, `
			write 3000
			>*
			path 540 1
			> . 1:501
			> . 501:1001
			> . 1001:1501
			> . 1501:2001
			> . 2001:2501
			> P. 2501:3001
			pmtu 540
			sndmss 500
			retrans 6
		`},
		{"a message about what is not in flight is ignored", "RFC 5927 7", established, `
			write 3000
			>*
			path 540 50000
			pmtu 1040
		`},
		{"a larger MTU is used from then on", "RFC 1191 6.3", established, `
			: mss=5000
			path 2040 1
			write 2500
			> . 1:2001
			> P. 2001:2501
		`},
		{"a black hole is found by time-outs", "RFC 4821 7.7", established, `
			: mtuprobing=1 retries1=2 tlp=0 mtu=1500 mss=1460 basemss=512 frto=0
			write 1460
			>*
			+210ms
			>*
			+420ms
			>*
			+840ms
			> . 1:513
			pmtu 552
		`},
		{"probing upwards", "RFC 4821 7.2, 7.5", established, `
			: mtuprobing=2 mtu=1500 mss=1460 basemss=500
			pmtu 540
			write 20000
			>*
			< . 1 ack 5001
			>*
			< . 1 ack 10001
			>*
			counter MTUPSuccess 1
		`},
	})
}
