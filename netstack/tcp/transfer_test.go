package tcp

import "testing"

func TestSend(t *testing.T) {
	runAll(t, []traceCase{
		{"a write leaves at once", "RFC 9293 3.7.4", established, `
			write 500
			> P. 1:501 ack 1
			< . 1 ack 501
			event acked
			idle
		`},
		{"PSH marks the end of what was written", "RFC 9293 3.9.1.2 MUST-60", established, `
			write 2500
			> . 1:1001
			> . 1001:2001
			> P. 2001:2501
		`},
		{"Nagle holds a small segment while one is in flight", "RFC 9293 3.7.4 MUST-17", established, `
			write 100
			> P. 1:101
			write 100
			write 100
			< . 1 ack 101
			> P. 101:301
		`},
		{"Nagle lets a full segment go", "RFC 9293 3.7.4", established, `
			write 100
			> P. 1:101
			write 1000
			> P. 101:1101
		`},
		{"a small segment may follow full ones", "Minshall's variant of RFC 9293 3.7.4", established, `
			write 1500
			> . 1:1001
			> P. 1001:1501
			write 100
			< . 1 ack 1501
			> P. 1501:1601
		`},
		{"Nagle can be turned off", "RFC 9293 3.7.4 MUST-17", established, `
			set nodelay on
			write 100
			> P. 1:101
			write 100
			> P. 101:201
		`},
		{"turning it off lets go what it held", "Linux tcp(7) TCP_NODELAY", established, `
			write 100
			> P. 1:101
			write 100
			set nodelay on
			> P. 101:201
		`},
		{"cork holds a segment that is not full", "Linux tcp(7) TCP_CORK", established, `
			set cork on
			write 100
			write 950
			> . 1:1001
			set cork off
			> P. 1001:1051
		`},
		{"cork holds for 200 ms at most", "Linux tcp(7) TCP_CORK", established, `
			set cork on
			write 100
			+300ms
			> P. 1:101
		`},
		{"MSG_MORE holds until the next write", "Linux send(2) MSG_MORE", established, `
			write 100 more
			write 100
			> P. 1:201
		`},
		{"the peer's window bounds what is in flight", "RFC 9293 3.8.6", established, `
			: win=2500 nows
			write 5000
			> . 1:1001
			> . 1001:2001
			< . 1 ack 2001 win 2500
			> . 2001:3001
			> . 3001:4001
		`},
		{"half of the largest window is worth a segment", "RFC 9293 3.8.6.2.1 SHLD", established, `
			: win=1000 nows mss=1000
			< . 1 ack 1 win 1000
			write 3000
			> . 1:501
			> . 501:1001
		`},
		{"a window that shrank is respected", "RFC 9293 3.8.6 MUST-34", established, `
			write 3000
			> . 1:1001
			> . 1001:2001
			> P. 2001:3001
			< . 1 ack 1001 win 500
			write 1000
			< . 1 ack 3001 win 65535
			> P. 3001:4001
		`},
		{"an old segment does not update the window", "RFC 9293 3.10.7.4 fifth", established, `
			< P. 1:11 ack 1 win 60000
			> . 1 ack 11
			< . 1 ack 1 win 10
			> . 1 ack 11
			write 3000
			> . 1:1001
			> . 1001:2001
			> P. 2001:3001
		`},
		{"a window that grows lets more go", "RFC 9293 3.10.7.4 fifth", established, `
			: win=2000 nows
			write 4000
			> . 1:1001
			> . 1001:2001
			< . 1 ack 1 win 4000
			> . 2001:3001
			> P. 3001:4001
		`},
		{"slow start doubles", "RFC 5681 3.1", established, `
			write 40000
			>*
			< . 1 ack 2001
			>*
			cwnd 12
			< . 1 ack 10001
			>*
			cwnd 20
		`},
		{"a window that is not used does not grow", "RFC 7661 4.1, Linux", established, `
			write 1000
			> P. 1:1001
			< . 1 ack 1001
			write 1000
			> P. 1001:2001
			< . 1 ack 2001
			cwnd 10
		`},
		{"congestion avoidance grows by a segment a window", "RFC 5681 3.1", established, `
			write 60000
			>*
			< . 1 ack 2001 <sack 3001:6001> # a loss
			>*
			< . 1 ack 10001
			>*
			ca open
			cwnd 6
			< . 1 ack 16001
			>*
			cwnd 7
		`},
		{"after an idle time-out the window starts again", "RFC 5681 4.1, RFC 2861", established, `
			write 40000
			>*
			< . 1 ack 10001
			>*
			< . 1 ack 30001
			>*
			< . 1 ack 40001
			cwnd 40
			+10s
			write 40000
			>*
			cwnd 10
		`},
		{"not if tcp_slow_start_after_idle is off", "tcp_slow_start_after_idle", established, `
			: noidle
			write 40000
			>*
			< . 1 ack 10001
			>*
			< . 1 ack 30001
			>*
			< . 1 ack 40001
			+10s
			write 40000
			>*
			cwnd 40
		`},
		{"large segments where the path cuts them", "tcp(7) segmentation offload", established, `
			: gso=60000
			write 8000
			> P. 1:8001
			< . 1 ack 8001
			write 2500
			> P. 8001:10501
		`},
		{"TSO obeys the peer's window", "RFC 9293 3.8.6", established, `
			: gso=60000 win=5500 nows
			write 8000
			> . 1:5001
			< . 1 ack 5001 win 5500
			> P. 5001:8001
		`},
		{"an acknowledgment of a part of a large segment", "RFC 9293 3.10.7.4", established, `
			: gso=60000
			write 8000
			> P. 1:8001
			< . 1 ack 3501
			inflight 4500
			queued 4500
			< . 1 ack 8001
			idle
		`},
		{"acknowledging what was not sent", "RFC 9293 3.10.7.4 fifth, RFC 5961 5.2", established, `
			write 100
			> P. 1:101
			< . 1 ack 500
			> . 101 ack 1
			queued 100
		`},
		{"an acknowledgment from long ago", "RFC 5961 5.2", established, `
			: win=1000 nows
			write 500
			>*
			< . 1 ack 501 win 1000
			< . 1 ack -5000
			> . 501 ack 1
			counter ChallengeACK 1
		`},
		{"a repeated acknowledgment is ignored", "RFC 9293 3.10.7.4 fifth", established, `
			write 100
			> P. 1:101
			< . 1 ack 101
			< . 1 ack 101
			< . 1 ack 101
			< . 1 ack 101
			ca open
		`},
		{"pacing spreads segments", "SO_MAX_PACING_RATE", established, `
			set pacing 100000
			write 3000
			> . 1:1001
			+9ms
			+1ms
			> . 1001:2001
			+9ms
			+1ms
			> P. 2001:3001
		`},
		{"the smoothed round trip", "RFC 6298 2.2, 2.3", established, `
			srtt 10ms
			rto 210ms
			write 100
			> P. 1:101
			+50ms
			< . 1 ack 101
			srtt 15ms
			rtobetween 215ms 220ms
		`},
		{"no sample of a retransmission", "RFC 6298 3, RFC 9293 3.8.1 MUST-18", established, `
			: tlp=0
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+500us
			< . 1 ack 101
			srtt 10ms
		`},
	})
}

func TestReceive(t *testing.T) {
	runAll(t, []traceCase{
		{"data in order", "RFC 9293 3.10.7.4 seventh", established, `
			< P. 1:501 ack 1
			> . 1 ack 501
			event readable
			readable 500
			read 500
			readable 0
		`},
		{"the first segments are acknowledged at once", "RFC 5681 4.2, Linux quickack", established, `
			< . 1:1001 ack 1
			> . 1 ack 1001
			< . 1001:2001 ack 1
			> . 1 ack 2001
		`},
		{"then every second one", "RFC 9293 3.8.6.3 SHLD-19", established, `
			quickack off
			< . 1:1001 ack 1
			< . 1001:2001 ack 1
			> . 1 ack 2001
			read 2000
			< . 2001:3001 ack 1
			< . 3001:4001 ack 1
			> . 1 ack 4001
		`},
		{"and a single one within 200 ms", "RFC 9293 3.8.6.3 MUST-40", established, `
			quickack off
			< . 1:1001 ack 1
			+39ms
			+200ms
			> . 1 ack 1001
			counter DelayedACKs 1
		`},
		{"an acknowledgment rides on data", "RFC 9293 3.8.6.3 MUST-58", established, `
			quickack off
			< P. 1:101 ack 1
			write 50
			> P. 1:51 ack 101
			< . 101 ack 51
			idle
		`},
		{"data out of order is acknowledged at once", "RFC 5681 4.2 SHOULD", established, `
			quickack off
			< . 1001:2001 ack 1
			> . 1 ack 1 <sack 1001:2001>
			ooo 1
			readable 0
		`},
		{"a filled hole is acknowledged at once", "RFC 5681 4.2, RFC 9293 3.10.7.4 MUST-59", established, `
			< . 1001:2001 ack 1
			> . 1 ack 1
			quickack off
			< . 1:1001 ack 1
			> . 1 ack 2001
			read 2000
			ooo 0
		`},
		{"the newest block is reported first", "RFC 2018 4", established, `
			< . 1001:2001 ack 1
			> . 1 ack 1 <sack 1001:2001>
			< . 3001:4001 ack 1
			> . 1 ack 1 <sack 3001:4001 1001:2001>
			< . 5001:6001 ack 1
			> . 1 ack 1 <sack 5001:6001 3001:4001 1001:2001>
			< . 7001:8001 ack 1
			> . 1 ack 1 <sack 7001:8001 5001:6001 3001:4001 1001:2001>
			< . 9001:10001 ack 1
			> . 1 ack 1 <sack 9001:10001 7001:8001 5001:6001 3001:4001>
		`},
		{"with time stamps three blocks fit", "RFC 2018 3", established, `
			: ts
			< . 1001:2001 ack 1
			>*
			< . 3001:4001 ack 1
			>*
			< . 5001:6001 ack 1
			>*
			< . 7001:8001 ack 1
			> . 1 ack 1 <sack 7001:8001 5001:6001 3001:4001>
		`},
		{"blocks that meet become one", "RFC 2018 4", established, `
			< . 1001:2001 ack 1
			>*
			< . 3001:4001 ack 1
			>*
			< . 2001:3001 ack 1
			> . 1 ack 1 <sack 1001:4001>
			ooo 1
		`},
		{"no blocks without the agreement", "RFC 2018 2", established, `
			: nosack
			< . 1001:2001 ack 1
			> . 1 ack 1 <none>
			< . 1:1001 ack 1
			> . 1 ack 2001
			read 2000
		`},
		{"a duplicate is reported", "RFC 2883 4.1", established, `
			< . 1:1001 ack 1
			> . 1 ack 1001
			< . 1:1001 ack 1
			> . 1 ack 1001 <sack 1:1001>
		`},
		{"a duplicate out of order is reported with its block", "RFC 2883 4.1.2", established, `
			< . 1001:3001 ack 1
			>*
			< . 1001:2001 ack 1
			> . 1 ack 1 <sack 1001:2001 1001:3001>
		`},
		{"a part that was known is reported", "RFC 2883 4.2", established, `
			< . 1:1001 ack 1
			>*
			< . 501:1501 ack 1
			> . 1 ack 1501 <sack 501:1001>
			read 1500
		`},
		{"duplicates are not reported if that is off", "tcp_dsack", established, `
			: nodsack
			< . 1:1001 ack 1
			>*
			< . 1:1001 ack 1
			> . 1 ack 1001 <none>
		`},
		{"overlapping pieces fit together", "RFC 9293 3.10.7.4 seventh", established, `
			< . 501:1501 ack 1
			>*
			< . 1001:3001 ack 1
			>*
			< . 2001:2501 ack 1
			>*
			< . 1:801 ack 1
			>*
			read 3000
		`},
		{"a segment that covers others", "RFC 9293 3.10.7.4 seventh", established, `
			< . 1001:1501 ack 1
			>*
			< . 2001:2501 ack 1
			>*
			< . 501:3001 ack 1
			>*
			ooo 1
			< . 1:501 ack 1
			>*
			read 3000
		`},
		{"data beyond the window is cut", "RFC 9293 3.10.7.4 first", established, `
			: rcvbuf=4000 noscale
			< . 1:2001 ack 1
			>*
			readable 2000
			window 0
		`},
		{"a segment outside of the window is answered", "RFC 9293 3.10.7.4 first MUST", established, `
			< P. 200001:200101 ack 1
			> . 1 ack 1
			readable 0
		`},
		{"a zero-length segment below the window is answered", "RFC 9293 3.10.7.4 first", established, `
			< . 0 ack 1
			> . 1 ack 1
		`},
		{"but not at any rate", "tcp_invalid_ratelimit", established, `
			< . 0 ack 1
			> . 1 ack 1
			< . 0 ack 1
			+500ms
			< . 0 ack 1
			> . 1 ack 1
			counter ACKSkipped 1
		`},
		{"a segment without ACK is dropped", "RFC 9293 3.10.7.4 fifth", established, `
			< P 1:101
			readable 0
		`},
		{"the window closes as data waits", "RFC 9293 3.8.6", established, `
			: rcvbuf=8000 noscale
			< . 1:1001 ack 1
			> . 1 ack 1001 win 3000
			< . 1001:2001 ack 1
			> . 1 ack 2001 win 2000
			< . 2001:3001 ack 1 # delayed from here on
			< . 3001:4001 ack 1
			> . 1 ack 4001 win 0
		`},
		{"reading opens it again", "RFC 9293 3.8.6.2.2", established, `
			: rcvbuf=8000 noscale
			< . 1:4001 ack 1
			> . 1 ack 4001 win 0
			read 500
			read 1500
			> . 1 ack 4001 win 2000
		`},
		{"no silly windows", "RFC 9293 3.8.6.2.2 MUST-39", established, `
			: rcvbuf=8000 noscale
			< . 1:4001 ack 1
			> . 1 ack 4001 win 0
			read 100
			read 100
			read 100
		`},
		{"a probe of a closed window is answered", "RFC 9293 3.8.6.1 MUST-36", established, `
			: rcvbuf=8000 noscale
			< . 1:4001 ack 1
			> . 1 ack 4001 win 0
			< . 4001:4002 ack 1
			> . 1 ack 4001 win 0
			read 4000
			> . 1 ack 4001
		`},
		{"the right edge never moves back", "RFC 9293 3.8.6.2.1 SHLD-14", established, `
			< . 1:1001 ack 1
			>*
			rcvbuf 4000
			< . 1001:2001 ack 1
			>*
			< . 2001:60001 ack 1
			>*
			read 60000
			>*
		`},
		{"at once at first, however large segments may be", "Linux tcp_initialize_rcv_mss", established, `
			: mtu=65535 mss=65000
			< P. 1:11 ack 1
			> . 1 ack 11
			+50ms
			< P. 11:21 ack 1
			> . 1 ack 21
			+50ms
			< P. 21:31 ack 1
			> . 1 ack 31
			+50ms
			< P. 31:41 ack 1
			> . 1 ack 41
		`},
		{"the time stamp that is echoed is the oldest not acknowledged", "RFC 7323 4.3", established, `
			: ts
			quickack off
			< . 1:201 ack 1 <ts 6000:last>
			< . 201:401 ack 1 <ts 6001:last>
			+200ms
			> . 1 ack 401 <ts 0:6000>
		`},
		{"a time stamp beyond a hole is not echoed", "RFC 7323 4.3 (B)", established, `
			: ts
			< . 1:501 ack 1 <ts 6000:last>
			> . 1 ack 501 <ts 0:6000>
			< . 1001:1501 ack 1 <ts 6005:last>
			> . 1 ack 501 <ts 0:6000>
			< . 501:1001 ack 1 <ts 6009:last>
			> . 1 ack 1501 <ts 0:6009>
		`},
		{"an old time stamp is refused", "RFC 7323 5.3 R1 PAWS", established, `
			: ts
			< . 1:501 ack 1 <ts 6000:last>
			>*
			< . 501:1001 ack 1 <ts 4000:last>
			> . 1 ack 501
			readable 500
			counter PAWSEstab 1
		`},
		{"after 24 days an old time stamp is taken", "RFC 7323 5.5", established, `
			: ts
			+600h
			< . 1:501 ack 1 <ts 1:last>
			> . 1 ack 501 <ts 0:1>
		`},
		{"a RST needs no time stamp", "RFC 7323 5.2", established, `
			: ts
			< R 1 ack 1 <none>
			state CLOSE
			err ECONNRESET
		`},
		{"a RST with an old time stamp counts", "RFC 7323 5.3 R1", established, `
			: ts
			< R 1 <ts 1:0>
			state CLOSE
		`},
		{"small pieces do not hold large chunks", "bounded memory", established, `
			< P. 1:2 ack 1
			>*
			< P. 2:3 ack 1
			>*
			< P. 3:4 ack 1
			>*
			< P. 4:5 ack 1
			>*
			read 4
		`},
		{"a gap that is filled byte by byte", "RFC 9293 3.10.7.4 seventh", established, `
			< P. 3:4 ack 1
			>*
			< P. 5:6 ack 1
			>*
			< P. 4:5 ack 1
			>*
			< P. 2:3 ack 1
			>*
			< P. 1:2 ack 1
			>*
			read 5
		`},
	})
}

// Callers may bring times that go back a little: the time stamps must not.
func TestClockThatGoesBack(t *testing.T) {
	run(t, established, `
		: ts
		write 100
		> P. 1:101 <ts 1017:0>
		+5ms
		write 988
		>*
		+-3ms
		write 988
		> P. 1089:2077 <ts 1022:0>
	`)
}
