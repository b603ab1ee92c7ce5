package tcp

import "testing"

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
		{"what was overtaken says how long the path takes", "RFC 8985 6.2 step 2", established, `
			write 1000
			>*
			+10ms
			< . 1 ack 1001
			write 2000
			>*
			+1ms
			write 1000
			>*
			+6ms
			< . 1 ack 1001 <sack 3001:4001> # the last one, after 6 ms
			+300us
			< . 1 ack 2001 <sack 3001:4001> # the first one, after 7.3 ms
			+1ms # 7.5 ms after the second one left it would have been lost
			ca disorder
			retrans 0
			< . 1 ack 4001
			ca open
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
