package tcp

import "testing"

func TestRetransmit(t *testing.T) {
	runAll(t, []traceCase{
		{"a time-out sends the first segment again", "RFC 6298 5.4", established, `
			: tlp=0
			write 100
			> P. 1:101
			+209ms
			+1ms
			> P. 1:101
			ca loss
			cwnd 1
		`},
		{"the time-out doubles", "RFC 6298 5.5, RFC 9293 3.8.2 MUST-19", established, `
			: tlp=0
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+419ms
			+1ms
			> P. 1:101
			+839ms
			+1ms
			> P. 1:101
			backoff 3
		`},
		{"no more than two minutes", "RFC 6298 2.5", established, `
			: tlp=0 rtomax=1s
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+420ms
			> P. 1:101
			+840ms
			> P. 1:101
			+999ms
			+1ms
			> P. 1:101
		`},
		{"an acknowledgment of new data undoes the doubling", "RFC 6298 5.7", established, `
			: tlp=0 frto=0
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+420ms
			> P. 1:101
			< . 1 ack 101
			backoff 0
			rtobetween 209ms 215ms
		`},
		{"retransmission is given up", "RFC 9293 3.8.3 MUST-20", established, `
			: tlp=0 retries2=3
			write 100
			> P. 1:101
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+1680ms
			>*
			+3360ms
			>*
			state CLOSE
			err ETIMEDOUT
			event closed
		`},
		{"the route is suspected before", "RFC 9293 3.8.3 MUST-20", established, `
			: tlp=0 retries1=2
			write 100
			> P. 1:101
			+210ms
			>*
			+420ms
			>*
			event !suspect
			+840ms
			>*
			event suspect
		`},
		{"the user sets how long", "RFC 5482 3, RFC 9293 3.8.3 MUST-21", established, `
			: tlp=0 usertimeout=1s
			write 100
			> P. 1:101
			+210ms
			>*
			+420ms
			>*
			+1s
			state CLOSE
			err ETIMEDOUT
		`},
		{"ICMP's word is the reason", "RFC 9293 3.9.2.2 SHLD-25", established, `
			: tlp=0 retries2=2
			write 100
			> P. 1:101
			icmp EHOSTUNREACH 1
			state ESTABLISHED
			softerr EHOSTUNREACH
			event soft
			+210ms
			>*
			+5s
			>*
			state CLOSE
			err EHOSTUNREACH
		`},
		{"the window is in bytes: several small segments go again", "RFC 5681 3.1", established, `
			: tlp=0 frto=0
			set nodelay on
			write 100
			> P. 1:101
			write 100
			> P. 101:201
			+210ms
			> . 1:101
			> P. 101:201
			< . 1 ack 201
		`},
		{"the peer took its window back: probe, no time-out", "RFC 9293 3.8.6.1 MUST-35", established, `
			: tlp=0 nows
			write 1000
			> P. 1:1001
			< . 1 ack 1 win 0
			+210ms
			> . 1:1001
			ca open
			cwnd 10
		`},
		{"after a time-out slow start", "RFC 5681 3.1, 4.3", established, `
			: tlp=0 frto=0 nosack
			write 8000
			>*
			+210ms
			> . 1:1001
			cwnd 1
			ssthresh 5
			< . 1 ack 1001
			> . 1001:2001
			> . 2001:3001
			< . 1 ack 3001
			> . 3001:4001
			> . 4001:5001
			> . 5001:6001
			> . 6001:7001
		`},
		{"everything is sent again after a time-out with SACK, but what is known to be there", "RFC 6675 5.1", established, `
			: tlp=0 frto=0
			write 5000
			>*
			+10ms
			< . 1 ack 1 <sack 2001:3001>
			+3ms
			> . 1:1001
			>*
			+250ms
			> . 1:1001
			ca loss
			< . 1 ack 1001 <sack 2001:3001>
			> . 1001:2001
			> . 3001:4001
		`},
		{"a thin stream does not back off", "TCP_THIN_LINEAR_TIMEOUTS", established, `
			: tlp=0
			set thin
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+210ms
			> P. 1:101
			+210ms
			> P. 1:101
		`},
		{"the user's time-out is an orphan's, too", "RFC 5482 3, Linux tcp_write_timeout", established, `
			: tlp=0 usertimeout=1s
			write 100
			> P. 1:101
			close
			> F. 101
			+210ms
			>*
			+420ms
			>*
			+1s
			state CLOSE
		`},
		{"an orphan is given up sooner", "tcp_orphan_retries", established, `
			: tlp=0 orphans=2
			write 100
			> P. 1:101
			close
			> F. 101
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+1680ms
			>*
			state CLOSE
		`},
	})
}
