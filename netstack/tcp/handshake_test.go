package tcp

import "testing"

// traceCase is one trace: its name, the clause that it stands for, where it begins
// and what happens.
type traceCase struct {
	name, clause string
	begin        func(*trace)
	script       string
}

func runAll(t *testing.T, cases []traceCase) {
	seen := map[string]bool{}
	for _, k := range cases {
		if k.clause == "" || seen[k.name] {
			t.Errorf("%s: no clause, or the name is taken", k.name)
		}
		seen[k.name] = true
		t.Run(k.name, func(t *testing.T) { run(t, k.begin, k.script) })
	}
}

func TestOpenActively(t *testing.T) {
	runAll(t, []traceCase{
		{"three-way handshake", "RFC 9293 3.5 figure 6", nil, `
			connect
			> S 0 win 65000 <mss 1000,sackOK,ts 0:0,ws 7>
			state SYN_SENT
			+10ms
			< S. 0 ack 1 win 65535 <mss 1460,sackOK,ws 7>
			> . 1 ack 1
			state ESTABLISHED
			event connected !closed
			srtt 10ms
			counter ActiveOpens 1
		`},
		{"the SYN offers what the MTU allows", "RFC 9293 3.7.1 MUST-67", nil, `
			: mtu=1500
			connect
			> S 0 <mss 1460>
		`},
		{"the SYN offers what the user limits", "RFC 9293 3.7.1", nil, `
			: usermss=700
			connect
			> S 0 <mss 700>
		`},
		{"an IPv6 SYN", "RFC 9293 3.7.1 MUST-67", nil, `
			: v6
			connect
			> S 0 <mss 1000>
		`},
		{"no options wanted", "RFC 7323 1.3", nil, `
			: notsack noscale timestamps=0
			connect
			> S 0 <mss 1000>
			< S. 0 ack 1 <mss 1000,sackOK,ws 7,ts 1:0>
			> . 1 ack 1 <none>
			write 3000
			> . 1:1001 ack 1 <none>
			> . 1001:2001 ack 1 <none>
			> P. 2001:3001 ack 1 <none>
		`},
		{"the scale counts only if both have it", "RFC 7323 2.2", nil, `
			connect
			> S 0 <ws 7>
			< S. 0 ack 1 win 2000 <mss 1000>
			> . 1 ack 1 win 65000
			write 3000
			> . 1:1001 ack 1
			> . 1001:2001 ack 1
			>*
			< . 1 ack 1 win 2500 # not scaled: the third segment does not fit
		`},
		{"the window of a SYN-ACK is not scaled", "RFC 7323 2.2", nil, `
			connect
			>*
			< S. 0 ack 1 win 1500 <mss 1000,ws 7>
			>*
			write 3000
			> . 1:751 ack 1 # no segment more than half of the window
			> . 751:1501 ack 1
		`},
		{"a scale above 14 is 14", "RFC 7323 2.3", nil, `
			connect
			>*
			< S. 0 ack 1 win 1000 <mss 1000,ws 14>
			>*
			< . 1 ack 1 win 1
			write 16384
			>*
		`},
		{"no MSS option means 536", "RFC 9293 3.7.1 MUST-15", nil, `
			connect
			>*
			< S. 0 ack 1 win 60000
			> . 1 ack 1
			sndmss 536
		`},
		{"no MSS option over IPv6 means 1220", "RFC 9293 3.7.1 MUST-15", nil, `
			: v6 mtu=1500
			connect
			>*
			< S. 0 ack 1 win 60000
			> . 1 ack 1
			sndmss 1220
		`},
		{"the peer's MSS limits ours", "RFC 9293 3.7.1 MUST-16", nil, `
			: mtu=1500
			connect
			>*
			< S. 0 ack 1 <mss 500>
			> . 1 ack 1
			sndmss 500
		`},
		{"an MSS far too small is not taken", "CVE-2019-11479, tcp_min_snd_mss", nil, `
			connect
			>*
			< S. 0 ack 1 win 60000 <mss 1>
			>*
			sndmss 48
		`},
		{"time stamps take room of each segment", "RFC 6691 2", nil, `
			: ts
			connect
			>*
			< S. 0 ack 1 <mss 1000,ts 100:last,sackOK,ws 7>
			> . 1 ack 1 <ts 0:100>
			sndmss 988
		`},
		{"a SYN-ACK that acknowledges nothing of ours is reset", "RFC 9293 3.10.7.3 first", synSent, `
			< S. 0 ack 0 <mss 1000>
			> R 0 <none>
			state SYN_SENT
		`},
		{"a SYN-ACK that acknowledges too much is reset", "RFC 9293 3.10.7.3 first", synSent, `
			< S. 0 ack 2 <mss 1000>
			> R 2 <none>
			state SYN_SENT
		`},
		{"an ACK without SYN that fits is ignored", "RFC 9293 3.10.7.3 fifth", synSent, `
			< . 0 ack 1
			state SYN_SENT
		`},
		{"an old ACK while opening is reset", "RFC 9293 3.5.1 figure 9", synSent, `
			< . 300 ack 100
			> R 100
			state SYN_SENT
			+1s
			> S 0
			< S. 0 ack 1 <mss 1000>
			> . 1 ack 1
			state ESTABLISHED
		`},
		{"RST with an acceptable ACK refuses", "RFC 9293 3.10.7.3 second", synSent, `
			< R. 0 ack 1
			state CLOSE
			err ECONNREFUSED
			event closed
			counter AttemptFails 1
		`},
		{"RST without ACK is dropped", "RFC 9293 3.10.7.3 second", synSent, `
			< R 0
			state SYN_SENT
		`},
		{"RST with a bad ACK is dropped", "RFC 9293 3.10.7.3 second", synSent, `
			< R. 0 ack 99
			state SYN_SENT
		`},
		{"the echo of a time stamp that was never sent is reset", "Linux PAWSActive", synSent, `
			: ts
			< S. 0 ack 1 <mss 1000,ts 100:99999999>
			> R 1
			state SYN_SENT
		`},
		{"the SYN is sent again after a second, four times more, then doubling", "RFC 6298 2.1, tcp_syn_linear_timeouts", nil, `
			connect
			> S 0
			+1s
			> S 0
			+1s
			> S 0
			+1s
			> S 0
			+1s
			> S 0
			+1s
			> S 0
			+1999ms
			+1ms
			> S 0
		`},
		{"without linear time-outs it doubles at once", "RFC 6298 5.5", nil, `
			: linear=0
			connect
			> S 0
			+1s
			> S 0
			+1999ms
			+1ms
			> S 0
			+3999ms
			+1ms
			> S 0
		`},
		{"the SYN is given up", "RFC 9293 3.8.3 MUST-23", nil, `
			: synretries=2 linear=0
			connect
			> S 0
			+1s
			> S 0
			+2s
			> S 0
			+4s
			state CLOSE
			err ETIMEDOUT
		`},
		{"ICMP's word is the reason", "RFC 9293 3.9.2.2, Linux", synSent, `
			icmp EHOSTUNREACH 0
			state CLOSE
			err EHOSTUNREACH
		`},
		{"ICMP about a number that is not in flight is ignored", "RFC 5927 4.1", synSent, `
			icmp EHOSTUNREACH 5000
			state SYN_SENT
		`},
		{"a lost SYN makes the first window one segment", "RFC 5681 3.1, RFC 6298 5.7", nil, `
			: timestamps=0
			connect
			>*
			+1s
			> S 0
			< S. 0 ack 1 <mss 1000>
			> . 1 ack 1
			cwnd 1
			rto 3s
		`},
		{"the first window is ten segments", "RFC 6928 2", established, `
			cwnd 10
			write 20000
			> . 1:1001
			> . 1001:2001
			> . 2001:3001
			> . 3001:4001
			> . 4001:5001
			> . 5001:6001
			> . 6001:7001
			> . 7001:8001
			> . 8001:9001
			> . 9001:10001
		`},
		{"data with the SYN-ACK is taken", "RFC 9293 3.10.7.3 fourth", synSent, `
			< S. 0:100 ack 1 <mss 1000,sackOK>
			>*
			state ESTABLISHED
		`},
		{"close before the answer gives it up", "RFC 9293 3.10.4", synSent, `
			close
			state CLOSE
			idle
		`},
		{"a user time-out while opening", "RFC 5482 3", nil, `
			: usertimeout=2500ms
			connect
			>*
			+1s
			> S 0
			+1s
			> S 0
			+500ms
			state CLOSE
			err ETIMEDOUT
		`},
	})
}

func TestOpenSimultaneously(t *testing.T) {
	runAll(t, []traceCase{
		{"both SYNs cross", "RFC 9293 3.5 figure 7 MUST-10", synSent, `
			< S 0 win 65535 <mss 1000,sackOK,ws 3>
			> S. 0 ack 1 <mss 1000,sackOK,ws 7>
			state SYN_RECV
			< S. 0 ack 1 win 65535 <mss 1000,sackOK,ws 3>
			> . 1 ack 1
			state ESTABLISHED
			event connected
		`},
		{"a plain ACK completes it", "RFC 9293 3.5 figure 7 MUST-10", synSent, `
			< S 0 win 65535 <mss 1000,sackOK,ws 3>
			> S. 0 ack 1
			< . 1 ack 1
			state ESTABLISHED
		`},
		{"the SYN-ACK is sent again", "RFC 6298 5.4", synSent, `
			< S 0 win 65535 <mss 1000>
			> S. 0 ack 1
			+1s
			> S. 0 ack 1
		`},
		{"RST ends it", "RFC 9293 3.10.7.4 second", synSent, `
			< S 0 win 65535 <mss 1000>
			> S. 0 ack 1
			< R 1
			state CLOSE
			err ECONNREFUSED
		`},
		{"data flows after it", "RFC 9293 3.5", synSent, `
			< S 0 win 65535 <mss 1000>
			> S. 0 ack 1
			< . 1 ack 1
			write 500
			> P. 1:501 ack 1
			< . 1 ack 501
			< P. 1:101 ack 501
			> . 501 ack 101
			read 100
		`},
	})
}

func TestAccepted(t *testing.T) {
	runAll(t, []traceCase{
		{"data both ways", "RFC 9293 3.5", accepted, `
			< P. 1:101 ack 1
			> . 1 ack 101
			write 200
			> P. 1:201 ack 101
			< . 101 ack 201
			read 100
		`},
		{"its first window is ten segments, too", "RFC 6928 2", accepted, `
			cwnd 10
		`},
	})
}

func TestOpenPassively(t *testing.T) {
	runAll(t, []traceCase{
		{"three-way handshake", "RFC 9293 3.5 figure 6", nil, `
			< S 0 win 65535 <mss 1000,sackOK,ws 7>
			> S. 0 ack 1 win 65000 <mss 1000,sackOK,ws 7>
			state SYN_RECV
			+20ms
			< . 1 ack 1
			state ESTABLISHED
			event connected
			srtt 20ms
			counter PassiveOpens 1
		`},
		{"the reply echoes the time stamp", "RFC 7323 3.2", nil, `
			: ts
			< S 0 <mss 1000,ts 777:0>
			> S. 0 ack 1 <ts 0:777>
		`},
		{"no time stamps if they are off", "RFC 7323 3.2", nil, `
			: timestamps=0
			< S 0 <mss 1000,ts 777:0,sackOK>
			> S. 0 ack 1 <mss 1000,sackOK>
			< . 1 ack 1
			write 10
			> P. 1:11 <none>
		`},
		{"options that were not offered are not agreed to", "RFC 7323 1.3, RFC 2018 2", nil, `
			< S 0
			> S. 0 ack 1 <mss 1000>
			< . 1 ack 1
			write 10
			> P. 1:11 <none>
		`},
		{"a repeated SYN is answered again", "RFC 9293 3.8.1", synReceived, `
			+100ms
			< S 0 <mss 1000>
			> S. 0 ack 1
			state SYN_RECV
		`},
		{"but not at any rate", "tcp_invalid_ratelimit", synReceived, `
			+100ms
			< S 0 <mss 1000>
			> S. 0 ack 1
			+100ms
			< S 0 <mss 1000>
			+500ms
			< S 0 <mss 1000>
			> S. 0 ack 1
		`},
		{"the SYN-ACK is sent again and given up", "RFC 9293 3.8.3, tcp_synack_retries", synReceived, `
			+1s
			> S. 0 ack 1
			+2s
			> S. 0 ack 1
			+4s
			> S. 0 ack 1
			+8s
			> S. 0 ack 1
			+16s
			> S. 0 ack 1
			+32s
			state CLOSE
			event closed
		`},
		{"an ACK of what was not sent is reset", "RFC 9293 3.10.7.4 fifth", synReceived, `
			< . 1 ack 77
			> R 77
			state SYN_RECV
		`},
		{"an ACK of nothing is reset", "RFC 9293 3.10.7.4 fifth", synReceived, `
			< . 1 ack 0
			> R 0
			state SYN_RECV
		`},
		{"RST with the exact number ends it", "RFC 9293 3.10.7.4 second", synReceived, `
			< R 1
			state CLOSE
		`},
		{"RST elsewhere in the window does not", "RFC 5961 3.2", synReceived, `
			< R 50
			> . 1 ack 1
			state SYN_RECV
		`},
		{"RST outside of the window is dropped", "RFC 9293 3.10.7.4 second", synReceived, `
			< R 200000
			state SYN_RECV
		`},
		{"data with the ACK is delivered", "RFC 9293 3.10.7.4", synReceived, `
			< P. 1:101 ack 1
			> . 1 ack 101
			state ESTABLISHED
			read 100
		`},
		{"FIN with the ACK", "RFC 9293 3.10.7.4 eighth", synReceived, `
			< F. 1 ack 1
			+4ms
			> . 1 ack 2
			state CLOSE_WAIT
		`},
		{"data that came before the ACK waits", "RFC 9293 3.10.7.4", synReceived, `
			< P. 101:201 ack 1
			> . 1 ack 1 <sack 101:201>
			state ESTABLISHED
			< P. 1:101 ack 1
			> . 1 ack 201
			read 200
		`},
		{"no segment without ACK", "RFC 9293 3.10.7.4 fifth", synReceived, `
			< P 1:101
			state SYN_RECV
		`},
		{"close in SYN_RECV sends FIN when it is open", "RFC 9293 3.10.4", synReceived, `
			shut
			< . 1 ack 1
			> F. 1 ack 1
			state FIN_WAIT1
		`},
		{"SYN with ECE and CWR agrees on ECN", "RFC 3168 6.1.1", nil, `
			< SEW 0 <mss 1000>
			> S.E 0 ack 1
			< . 1 ack 1
			write 100
			> P. 1:101 ect
		`},
		{"not if it is off", "RFC 3168 6.1.1", nil, `
			: ecn=0
			< SEW 0 <mss 1000>
			> S. 0 ack 1
			< . 1 ack 1
			write 100
			> P. 1:101 noect
		`},
		{"the window after the handshake is scaled", "RFC 7323 2.2", nil, `
			< S 0 win 100 <mss 1000,ws 10>
			> S. 0 ack 1
			< . 1 ack 1 win 3
			write 5000
			> . 1:1001
			> . 1001:2001
			> . 2001:3001
		`},
	})
}
