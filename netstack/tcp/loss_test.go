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
		{"the time-out doubles", "RFC 6298 5.5 MUST", established, `
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
		{"the route is suspected before", "RFC 9293 3.8.3 MUST-21", established, `
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
		{"the user sets how long", "RFC 5482 3, RFC 9293 3.8.3 MUST-22", established, `
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
		{"ICMP's word is the reason", "RFC 9293 3.9.2.2 SHOULD-25", established, `
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

func TestFastRecovery(t *testing.T) {
	runAll(t, []traceCase{
		{"three duplicates send again, without SACK", "RFC 5681 3.2 MUST", established, `
			: nosack
			write 10000
			>*
			+10ms
			< . 1 ack 1
			< . 1 ack 1
			< . 1 ack 1
			> . 1:1001
			ca recovery
			ssthresh 5
			counter RenoRecovery 1
		`},
		{"two duplicates do not", "RFC 5681 3.2", established, `
			: nosack
			write 10000
			>*
			< . 1 ack 1
			< . 1 ack 1
			ca disorder
		`},
		{"limited transmit sends new data for the first two", "RFC 3042 2", established, `
			: nosack
			write 20000
			>*
			< . 1 ack 1
			> . 10001:11001
			< . 1 ack 1
			> . 11001:12001
		`},
		{"a window update is no duplicate", "RFC 5681 2 (e)", established, `
			: nosack nows
			write 10000
			>*
			< . 1 ack 1 win 65534
			< . 1 ack 1 win 65533
			< . 1 ack 1 win 65532
			< . 1 ack 1 win 65531
			ca open
		`},
		{"an acknowledgment with data is no duplicate", "RFC 5681 2 (b)", established, `
			: nosack
			write 10000
			>*
			< . 1:11 ack 1
			>*
			< . 11:21 ack 1
			>*
			< . 21:31 ack 1
			>*
			< . 31:41 ack 1
			>*
			ca open
		`},
		{"a partial acknowledgment sends the next one", "RFC 6582 3.2 step 3", established, `
			: nosack
			write 10000
			>*
			+10ms
			< . 1 ack 1
			< . 1 ack 1
			< . 1 ack 1
			> . 1:1001
			< . 1 ack 1
			< . 1 ack 1
			< . 1 ack 3001
			> . 3001:4001
			ca recovery
			< . 1 ack 10001
			ca open
			cwnd 5
		`},
		{"duplicates of the same window begin no second recovery", "RFC 6582 3.2 step 1", established, `
			: nosack tlp=0 frto=0
			write 10000
			>*
			+210ms
			> . 1:1001
			< . 1 ack 5001
			>*
			< . 1 ack 5001
			< . 1 ack 5001
			< . 1 ack 5001
			ca loss
		`},
		{"three segments reported send again what is before", "RFC 6675 5, RFC 8985 6.2", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			ca disorder
			< . 1 ack 1 <sack 1001:3001>
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			ca recovery
			counter SackRecovery 1
		`},
		{"several holes in one recovery", "RFC 6675 5", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			< . 1 ack 1 <sack 3001:4001 1001:2001>
			< . 1 ack 1 <sack 5001:6001 3001:4001 1001:2001>
			> . 1:1001
			< . 1 ack 1 <sack 5001:8001 3001:4001 1001:2001>
			> . 2001:3001
			> . 4001:5001
			< . 1 ack 1 <sack 5001:10001 3001:4001 1001:2001>
			+10ms
			< . 1 ack 10001
			ca open
			retrans 3
		`},
		{"the window after recovery is the threshold", "RFC 6937 3, RFC 5681 3.2", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			+10ms
			< . 1 ack 10001
			cwnd 5
			ssthresh 5
		`},
		{"PRR sends in proportion", "RFC 6937 3", established, `
			write 30000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			< . 1 ack 1 <sack 1001:5001>
			> . 10001:11001
			< . 1 ack 1 <sack 1001:6001>
			< . 1 ack 1 <sack 1001:7001>
			< . 1 ack 1 <sack 1001:8001> # now less than the threshold is in flight
			> . 11001:12001
		`},
		{"cubic reduces by three tenths", "RFC 9438 4.6", established, `
			: cc=cubic
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			ssthresh 7
		`},
		{"a lost retransmission is found by time", "RFC 8985 6.2", established, `
			write 20000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			>*
			+10ms
			< . 1 ack 1 <sack 1001:10001>
			>*
			+10ms
			< . 1 ack 1 <sack 1001:12001>
			>*
			+11ms
			< . 1 ack 1 <sack 1001:13001>
			>*
			counter LostRetransmit 1
		`},
		{"reordering within a quarter of the round trip is no loss", "RFC 8985 6.2 step 4", established, `
			write 4000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			+2ms
			< . 1 ack 4001
			ca open
			retrans 0
		`},
		{"but beyond it is", "RFC 8985 6.2 step 5", established, `
			write 4000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			+4ms
			> . 1:1001
			ca recovery
		`},
		{"once segments overtook each other duplicates do not count", "RFC 8985 6.2 step 4", established, `
			write 4000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			+1ms
			< . 1 ack 2001 # the first one came late
			< . 1 ack 4001
			write 10000
			>*
			+10ms
			< . 1 ack 4001 <sack 5001:8001>
			ca disorder
			+4ms
			> . 4001:5001
			ca recovery
		`},
		{"a block of what is not in flight is ignored", "RFC 2018 5, RFC 5961", established, `
			write 3000
			>*
			< . 1 ack 1 <sack 100001:101001>
			counter SACKDiscard 1
			ca open
		`},
		{"a block that is not a range is ignored", "RFC 2018 3", established, `
			write 3000
			>*
			< . 1 ack 1 <sack 2001:1001>
			ca open
		`},
		{"a peer that drops what it reported", "RFC 2018 8 MUST", established, `
			: tlp=0
			write 5000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:3001>
			< . 1 ack 1001
			>*
			counter SACKReneging 1
			ca loss
		`},
		{"an old acknowledgment may bring blocks", "RFC 6675 5", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 2001
			< . 1 ack 1 <sack 3001:6001>
			> . 2001:3001
			ca recovery
		`},
		{"a segment cut by a block is sent again in part", "RFC 6675 4", established, `
			: gso=60000
			write 10000
			> P. 1:10001
			+10ms
			< . 1 ack 1 <sack 3001:10001>
			> . 1:3001
		`},
		{"byte-wise blocks do not cut segments", "bounded scoreboard", established, `
			write 4000
			>*
			< . 1 ack 1 <sack 1100:1101 1200:1201>
			ca open
		`},
		{"ACK loss: a later one stands for all", "RFC 9293 3.8", established, `
			write 10000
			>*
			< . 1 ack 10001
			inflight 0
		`},
	})
}

func TestSpurious(t *testing.T) {
	runAll(t, []traceCase{
		{"F-RTO: new data tells that the time-out was spurious", "RFC 5682 2.1 step 3b", established, `
			: tlp=0
			write 4000
			>*
			+210ms
			> . 1:1001
			ca loss
			write 2000
			< . 1 ack 1001
			> . 4001:5001
			> P. 5001:6001
			ca loss
			< . 1 ack 2001 # of what was not sent again
			ca open
			cwnd 11
			counter SpuriousRTOs 1
		`},
		{"F-RTO: a duplicate tells that it was real", "RFC 5682 2.1 step 3a", established, `
			: tlp=0 nosack
			write 4000
			>*
			+210ms
			> . 1:1001
			write 2000
			< . 1 ack 2001
			> . 4001:5001
			>*
			< . 1 ack 2001
			>*
			ca loss
			counter SpuriousRTOs 0
		`},
		{"F-RTO: SACK of what left before tells it", "RFC 5682 3.1", established, `
			: tlp=0
			write 4000
			>*
			+210ms
			> . 1:1001
			< . 1 ack 1 <sack 1001:2001>
			>*
			counter SpuriousRTOs 1
		`},
		{"Eifel: the echo is of the first transmission", "RFC 3522 3.2", established, `
			: tlp=0 ts frto=0
			write 1976
			>*
			+210ms
			> . 1:989
			< . 1 ack 989 <ts 5100:1017>
			ca open
			cwnd 10
			counter LossUndo 1
		`},
		{"not if the echo is of the retransmission", "RFC 3522 3.2", established, `
			: tlp=0 ts frto=0
			write 1976
			>*
			+210ms
			> . 1:989
			< . 1 ack 989 <ts 5100:last>
			>*
			ca loss
		`},
		{"DSACK for all that was sent again", "RFC 3708", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			cwnd 8
			+5ms
			< . 1 ack 4001
			>*
			< . 1 ack 4001 <sack 1:1001>
			>*
			ca open
			cwnd 10
			counter DSACKUndo 1
		`},
		{"a tail loss probe sends the last segment again", "RFC 8985 7.3", established, `
			write 3000
			>*
			+21ms
			+1ms
			> P. 2001:3001
			counter LossProbes 1
			ca open
		`},
		{"or new data if there is some", "RFC 8985 7.3", established, `
			: win=3000 nows
			write 4000
			> . 1:1001
			> . 1001:2001
			> . 2001:3001
			+20ms
			>*
		`},
		{"a single segment waits for the delayed acknowledgment", "RFC 8985 7.2", established, `
			write 1000
			>*
			+200ms
			+10ms
			> P. 1:1001
			counter LossProbes 1
		`},
		{"a probe that repaired a loss reduces the window", "RFC 8985 7.4", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			write 1000
			>*
			+10ms
			< . 1 ack 4001
			counter LossProbeRecovery 1
			cwnd 5
		`},
		{"a probe that was not needed does not", "RFC 8985 7.4", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			+1ms
			< . 1 ack 3001
			+1ms
			< . 1 ack 3001 <sack 2001:3001>
			cwnd 10
			counter LossProbeRecovery 0
		`},
		{"a probe shows a loss by SACK", "RFC 8985 7", established, `
			write 5000
			>*
			+22ms
			> P. 4001:5001
			+10ms
			< . 1 ack 1 <sack 4001:5001>
			>*
			+10ms
			>*
			ca recovery
		`},
		{"after the probe the time-out", "RFC 8985 7.3", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			+210ms
			> . 1:1001
			ca loss
		`},
		{"no probe without SACK", "RFC 8985 7.2", established, `
			: nosack
			write 3000
			>*
			+209ms
			+1ms
			> . 1:1001
		`},
	})
}

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
