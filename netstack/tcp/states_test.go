package tcp

import "testing"

func TestClose(t *testing.T) {
	runAll(t, []traceCase{
		{"we close first", "RFC 9293 3.6 figure 12", established, `
			close
			> F. 1 ack 1
			state FIN_WAIT1
			< . 1 ack 2
			state FIN_WAIT2
			< F. 1 ack 2
			> . 2 ack 2
			state TIME_WAIT
			event timewait
		`},
		{"the peer closes first", "RFC 9293 3.6 case 2", established, `
			< F. 1 ack 1
			> . 1 ack 2
			state CLOSE_WAIT
			event peerclosed
			eof yes
			close
			> F. 1 ack 2
			state LAST_ACK
			< . 2 ack 2
			state CLOSE
			err none
		`},
		{"both close at once", "RFC 9293 3.6 figure 13", established, `
			close
			> F. 1 ack 1
			< F. 1 ack 1
			> . 2 ack 2
			state CLOSING
			< . 2 ack 2
			state TIME_WAIT
		`},
		{"FIN that acknowledges our FIN", "RFC 9293 3.10.7.4 eighth", finWait1, `
			< F. 1 ack 2
			> . 2 ack 2
			state TIME_WAIT
		`},
		{"FIN goes with the last data", "RFC 9293 3.10.4", established, `
			set cork on
			write 500
			shut
			> FP. 1:501 ack 1
			< . 1 ack 502
			state FIN_WAIT2
		`},
		{"data before the FIN is sent first", "RFC 9293 3.10.4", established, `
			write 11000
			>*
			shut
			state FIN_WAIT1
			< . 1 ack 10001
			> FP. 10001:11001
			< . 1 ack 11002
			state FIN_WAIT2
		`},
		{"half-closed we still receive", "RFC 9293 3.6, MUST-13", finWait2, `
			< P. 1:501 ack 2
			> . 2 ack 501
			read 500
			< FP. 501:601 ack 2
			> . 2 ack 602
			read 100
			eof yes
			state TIME_WAIT
		`},
		{"half-closed we still send", "RFC 9293 3.6", closeWait, `
			write 500
			> P. 1:501 ack 2
			< . 2 ack 501
			state CLOSE_WAIT
			shut
			> F. 501 ack 2
			state LAST_ACK
		`},
		{"data and FIN at once", "RFC 9293 3.10.7.4 eighth", established, `
			< FP. 1:101 ack 1
			> . 1 ack 102
			state CLOSE_WAIT
			readable 100
			eof no
			read 100
			eof yes
		`},
		{"FIN out of order waits", "RFC 9293 3.10.7.4 eighth", established, `
			< FP. 101:201 ack 1
			> . 1 ack 1 <sack 101:201>
			state ESTABLISHED
			< P. 1:101 ack 1
			> . 1 ack 202
			state CLOSE_WAIT
			read 200
		`},
		{"a bare FIN out of order", "RFC 9293 3.10.7.4 eighth", established, `
			< F. 101 ack 1
			> . 1 ack 1
			state ESTABLISHED
			< P. 1:101 ack 1
			> . 1 ack 102
			state CLOSE_WAIT
			read 100
		`},
		{"FIN is sent again", "RFC 9293 3.8.1", established, `
			: tlp=0
			shut
			> F. 1 ack 1
			+210ms
			> F. 1 ack 1
			+420ms
			> F. 1 ack 1
			< . 1 ack 2
			state FIN_WAIT2
		`},
		{"FIN and data are sent again", "RFC 9293 3.8.1", established, `
			: tlp=0
			write 100
			> P. 1:101
			shut
			> F. 101
			+210ms
			> . 1:101
			> F. 101
			< . 1 ack 102
			state FIN_WAIT2
		`},
		{"the peer's FIN again", "RFC 9293 3.10.7.4 eighth", closeWait, `
			< F. 1 ack 1
			> . 1 ack 2
			state CLOSE_WAIT
		`},
		{"FIN again in LAST_ACK", "RFC 9293 3.10.7.4 eighth", lastAck, `
			< F. 1 ack 1
			> . 2 ack 2
			state LAST_ACK
		`},
		{"FIN again in CLOSING", "RFC 9293 3.10.7.4 eighth", closing, `
			< F. 1 ack 1
			> . 2 ack 2
			state CLOSING
		`},
		{"data after the FIN is ignored", "RFC 9293 3.10.7.4 seventh", closeWait, `
			< P. 2:102 ack 1
			> . 1 ack 2
			readable 0
		`},
		{"close with unread data resets", "RFC 9293 3.6.1, RFC 2525 2.17", established, `
			< P. 1:101 ack 1
			>*
			close
			> R. 1 ack 101
			state CLOSE
			counter AbortOnClose 1
		`},
		{"data after close resets", "RFC 9293 3.6.1 MUST", finWait2, `
			close
			< P. 1:101 ack 2
			> R. 2 ack 1
			state CLOSE
			counter AbortOnData 1
		`},
		{"data after close while our FIN is out", "RFC 9293 3.6.1", established, `
			close
			> F. 1 ack 1
			< P. 1:101 ack 1
			> R. 2 ack 1
			state CLOSE
		`},
		{"an orphan waits a minute for the peer's FIN", "tcp_fin_timeout", finWait2, `
			close
			+59s
			state FIN_WAIT2
			+1s
			state CLOSE
			err none
		`},
		{"half-closed it waits for ever", "RFC 9293 3.6", finWait2, `
			+24h
			state FIN_WAIT2
		`},
		{"TCP_LINGER2 says how long", "tcp(7) TCP_LINGER2", finWait2, `
			set linger2 5s
			close
			+5s
			state CLOSE
		`},
		{"the user's abort resets", "RFC 9293 3.10.5", established, `
			write 500
			>*
			abort
			> R. 501 ack 1
			state CLOSE
			err ECONNABORTED
			idle
		`},
		{"abort while opening sends nothing", "RFC 9293 3.10.5", synSent, `
			abort
			state CLOSE
		`},
		{"abort in SYN_RECV resets", "RFC 9293 3.10.5", synReceived, `
			abort
			> R. 1 ack 1
			state CLOSE
		`},
		{"abort in CLOSE_WAIT resets", "RFC 9293 3.10.5", closeWait, `
			abort
			> R. 1 ack 2
			state CLOSE
		`},
		{"abort in LAST_ACK says nothing", "RFC 9293 3.10.5", lastAck, `
			abort
			state CLOSE
		`},
		{"shutdown twice is one FIN", "RFC 9293 3.10.4", finWait1, `
			shut
			close
			state FIN_WAIT1
		`},
		{"FIN needs room in the window", "RFC 9293 3.8.6", established, `
			: nows win=1000
			write 1000
			> P. 1:501
			> P. 501:1001
			shut
			< . 1 ack 1001 win 1000
			> F. 1001
		`},
		{"all of the FIN's acknowledgment in CLOSING", "RFC 9293 3.10.7.4 fifth", closing, `
			< . 2 ack 1
			state CLOSING
			< . 2 ack 2
			state TIME_WAIT
		`},
	})
}

func TestReset(t *testing.T) {
	runAll(t, []traceCase{
		{"RST with the exact number", "RFC 9293 3.10.7.4 second, RFC 5961 3.2", established, `
			< R 1
			state CLOSE
			err ECONNRESET
			event closed
			counter EstabResets 1
			idle
		`},
		{"RST in the window is challenged", "RFC 5961 3.2", established, `
			< R 100
			> . 1 ack 1
			state ESTABLISHED
			counter ChallengeACK 1
		`},
		{"the answer to the challenge ends it", "RFC 5961 3.2", established, `
			< R 100
			> . 1 ack 1
			< R 1
			state CLOSE
		`},
		{"challenges are not sent at any rate", "RFC 5961 7", established, `
			< R 100
			> . 1 ack 1
			< R 200
			< R 300
			+500ms
			< R 400
			> . 1 ack 1
			counter ChallengeACK 2
		`},
		{"nor of a whole stack", "RFC 5961 7", established, `
			: challenge=0
			< R 100
			counter ChallengeACK 0
		`},
		{"RST outside of the window is dropped", "RFC 9293 3.10.7.4 second", established, `
			< R 200001
			< R -1000
			state ESTABLISHED
		`},
		{"RST at the end of what was reported", "Linux, RFC 5961", established, `
			< P. 101:201 ack 1
			>*
			< R 201
			state CLOSE
			err ECONNRESET
		`},
		{"RST in CLOSE_WAIT", "RFC 9293 3.10.7.4 second, Linux EPIPE", closeWait, `
			< R 2
			state CLOSE
			err EPIPE
		`},
		{"RST in FIN_WAIT1", "RFC 9293 3.10.7.4 second", finWait1, `
			< R 1
			state CLOSE
			err ECONNRESET
		`},
		{"RST in FIN_WAIT2", "RFC 9293 3.10.7.4 second", finWait2, `
			< R 1
			state CLOSE
		`},
		{"RST in LAST_ACK", "RFC 9293 3.10.7.4 second", lastAck, `
			< R 2
			state CLOSE
			err none
		`},
		{"RST in CLOSING", "RFC 9293 3.10.7.4 second", closing, `
			< R 2
			state CLOSE
			err none
		`},
		{"SYN in the window is challenged", "RFC 5961 4.2", established, `
			< S 100
			> . 1 ack 1
			state ESTABLISHED
			counter SYNChallenge 1
		`},
		{"SYN outside of the window is challenged, too", "RFC 5961 4.2", established, `
			< S 500000
			> . 1 ack 1
			state ESTABLISHED
		`},
		{"a SYN-ACK again is acknowledged", "RFC 9293 3.5.1 figure 8", established, `
			< S. 0 ack 1
			> . 1 ack 1
			state ESTABLISHED
		`},
		{"what was not read stays after a RST", "Linux", established, `
			< P. 1:101 ack 1
			>*
			< R 101
			state CLOSE
			read 100
			eof yes
		`},
		{"after the end nothing is answered", "RFC 9293 3.10.7.1", established, `
			< R 1
			< P. 1:100 ack 1
			state CLOSE
		`},
		{"ICMP does not end an established connection", "RFC 9293 3.9.2.2 MUST-54, RFC 5927", established, `
			write 100
			>*
			icmp ECONNREFUSED 1
			state ESTABLISHED
			softerr ECONNREFUSED
		`},
		{"SYN in TIME_WAIT's neighbour LAST_ACK is challenged", "RFC 5961 4.2", lastAck, `
			< S 50
			> . 2 ack 2
			state LAST_ACK
		`},
	})
}

func TestTimeWait(t *testing.T) {
	runAll(t, []traceCase{
		{"FIN again is acknowledged", "RFC 9293 3.10.7.4 eighth", timeWaiting, `
			< F. 1 ack 2
			> . 2 ack 2
		`},
		{"old data is acknowledged", "RFC 9293 3.10.7.4 first", timeWaiting, `
			< P. 1:2 ack 2
			> . 2 ack 2
		`},
		{"RST ends it", "RFC 9293 3.10.7.4 second", timeWaiting, `
			< R 2
		`},
		{"RST outside of the window is dropped", "RFC 5961 3.2", timeWaiting, `
			< R 500
		`},
		{"a late acknowledgment is dropped", "RFC 9293 3.10.7.4 fifth", timeWaiting, `
			< . 2 ack 2
		`},
		{"SYN below what was received is acknowledged", "RFC 9293 3.10.7.4 fourth MAY-2", timeWaiting, `
			< S 1
			> . 2 ack 2
		`},
		{"SYN-ACK is acknowledged", "RFC 9293 3.10.7.4 fourth", timeWaiting, `
			< S. 0 ack 1
			> . 2 ack 2
		`},
		{"an old time stamp is acknowledged", "RFC 7323 5.3", timeWaiting, `
			: ts
			< P. 2:10 ack 2 <ts 1:0>
			> . 2 ack 2
		`},
		{"answers are not sent at any rate", "tcp_invalid_ratelimit", timeWaiting, `
			< S. 0 ack 1
			> . 2 ack 2
			< S. 0 ack 1
			+500ms
			< S. 0 ack 1
			> . 2 ack 2
		`},
	})
}

// What a TimeWait says of segments that the traces do not show.
func TestTimeWaitVerdicts(t *testing.T) {
	for _, k := range []struct {
		name, clause, setup, in string
		want                    Verdict
	}{
		{"a SYN beyond the window begins a new connection", "RFC 9293 3.6.1 MAY-2", "", "S 50", TWReopen},
		{"a SYN with a newer time stamp, too", "RFC 6191 2", "ts", "S 1 <ts 9999:0>", TWReopen},
		{"not one with an older one", "RFC 6191 2", "ts", "S 1 <ts 1:0>", TWAnswer},
		{"RST ends it", "RFC 9293 3.10.7.4 second", "", "R 2", TWEnd},
		{"not with rfc1337", "RFC 1337 3", "rfc1337", "R 2", TWDrop},
		{"RST elsewhere does not", "RFC 5961 3.2", "", "R 3", TWDrop},
		{"a pure acknowledgment says nothing", "RFC 9293 3.10.7.4", "", ". 2 ack 2", TWDrop},
		{"FIN again", "RFC 9293 3.10.7.4 eighth", "", "F. 1 ack 2", TWAnswer},
	} {
		t.Run(k.name, func(t *testing.T) {
			x := newTrace(t, k.setup)
			timeWaiting(x)
			x.step("< " + k.in)
			if want := " (verdict " + string(rune('0'+k.want)) + ")"; x.line[max(0, len(x.line)-len(want)):] != want {
				t.Errorf("%s: %s", k.in, x.line)
			}
			x.step(">*")
		})
	}
}

func TestProbes(t *testing.T) {
	runAll(t, []traceCase{
		{"a closed window is probed", "RFC 9293 3.8.6.1 MUST-36, SHLD-29", established, `
			< . 1 ack 1 win 0
			write 100
			+209ms
			+1ms
			> . 0 ack 1
			+420ms
			> . 0 ack 1
			+840ms
			> . 0 ack 1
			timer 4
			counter WinProbe 3
		`},
		{"a window that opens lets the data go", "RFC 9293 3.8.6.1", established, `
			< . 1 ack 1 win 0
			write 100
			+210ms
			> . 0 ack 1
			< . 1 ack 1 win 512
			> P. 1:101
		`},
		{"an acknowledged probe keeps it alive", "RFC 9293 3.8.6.1 MUST-37", established, `
			: retries2=2
			< . 1 ack 1 win 0
			write 100
			+210ms
			> . 0 ack 1
			< . 1 ack 1 win 0
			+420ms
			> . 0 ack 1
			< . 1 ack 1 win 0
			+840ms
			> . 0 ack 1
			< . 1 ack 1 win 0
			+900ms
			>*
			state ESTABLISHED
		`},
		{"a peer that does not answer probes is given up", "Linux tcp_retries2", established, `
			: retries2=2
			< . 1 ack 1 win 0
			write 100
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+2s
			>*
			state CLOSE
			err ETIMEDOUT
		`},
		{"the user's time-out holds for probes", "RFC 5482 3.2", established, `
			: usertimeout=1s
			< . 1 ack 1 win 0
			write 100
			+210ms
			>*
			+2s
			>*
			state CLOSE
			err ETIMEDOUT
		`},
		{"a small window takes a small segment in the end", "RFC 9293 3.8.6.2.1 override", established, `
			< . 1 ack 1 win 3
			write 2000
			+210ms
			> . 1:4
		`},
		{"FIN waits for the window, and is probed for", "RFC 9293 3.8.6.1", established, `
			< . 1 ack 1 win 0
			write 10
			shut
			+210ms
			> . 0 ack 1
			< . 1 ack 1 win 512
			> FP. 1:11
		`},
		{"keep-alive is off", "RFC 9293 3.8.4 MUST-25", established, `
			+72h
			state ESTABLISHED
		`},
		{"keep-alive probes a silent peer", "RFC 9293 3.8.4 MUST-28", established, `
			set keepalive 10s 1s 3
			+9s
			+1s
			> . 0 ack 1
			+1s
			> . 0 ack 1
			< . 1 ack 1
			+9s
			+1s
			> . 0 ack 1
			timer 2
		`},
		{"a peer that does not answer is given up", "RFC 9293 3.8.4", established, `
			set keepalive 10s 1s 2
			+10s
			> . 0 ack 1
			+1s
			> . 0 ack 1
			+1s
			> R. 1 ack 1
			state CLOSE
			err ETIMEDOUT
		`},
		{"one missed answer does not end it", "RFC 9293 3.8.4 MUST-29", established, `
			set keepalive 10s 1s 5
			+10s
			> . 0 ack 1
			+1s
			> . 0 ack 1
			state ESTABLISHED
		`},
		{"no probes while data is in flight", "RFC 9293 3.8.4 MUST-27", established, `
			: tlp=0
			set keepalive 1s 1s 2
			write 100
			> P. 1:101
			+210ms
			> P. 1:101
			+420ms
			> P. 1:101
			+800ms
			>*
			counter KeepAlive 0
		`},
		{"the interval may be no less than two hours by default", "RFC 9293 3.8.4 MUST-28", established, `
			set keepalive 0s 0s 0
			+7199s
			+1s
			> . 0 ack 1
		`},
		{"data resets the time", "RFC 9293 3.8.4 MUST-27", established, `
			set keepalive 10s 1s 3
			+9s
			< P. 1:11 ack 1
			>*
			+9s
			+1s
			> . 0 ack 11
		`},
		{"the answer to a keep-alive", "RFC 9293 3.8.4", established, `
			< . 0 ack 1
			> . 1 ack 1
			< . 0:1 ack 1
			> . 1 ack 1
		`},
		{"keep-alive with the user's time-out", "tcp(7) TCP_USER_TIMEOUT", established, `
			: usertimeout=12s
			set keepalive 10s 1s 100
			+10s
			> . 0 ack 1
			+1s
			> . 0 ack 1
			+1s
			> R. 1 ack 1
			state CLOSE
			err ETIMEDOUT
		`},
	})
}

func TestUrgent(t *testing.T) {
	runAll(t, []traceCase{
		{"urgent data points behind its last byte", "RFC 6093 4, RFC 9293 3.8.5 MUST-62", established, `
			write 3 oob
			> P.U 1:4 urg 3
			< . 1 ack 4
			write 5
			> P. 4:9
		`},
		{"the pointer stays until it is acknowledged", "RFC 9293 3.8.5", established, `
			: win=1000 nows mss=500
			write 1500 oob
			> .U 1:501 urg 1500
			> .U 501:1001 urg 1000
			< . 1 ack 501 win 1000
			> P.U 1001:1501 urg 500
		`},
		{"an urgent byte is read apart", "RFC 6093 3, tcp(7)", established, `
			< P.U 1:6 ack 1 urg 5
			> . 1 ack 6
			event urgent
			oob 4
			readable 4
			read 4
			mark yes
		`},
		{"it is read once", "tcp(7)", established, `
			< P.U 1:6 ack 1 urg 5
			>*
			oob 4 peek
			oob 4
			oob EINVAL
		`},
		{"reading stops at the mark", "Linux", established, `
			< P.U 1:6 ack 1 urg 3
			>*
			read 2
			mark yes
			read 2
			mark no
			readable 0
		`},
		{"in line it is read with the rest", "SO_OOBINLINE", established, `
			: oobinline
			< P.U 1:6 ack 1 urg 5
			>*
			oob EINVAL
			readable 5
			read 5
		`},
		{"announced before it comes", "RFC 9293 3.8.5 MUST-32", established, `
			< P.U 1:3 ack 1 urg 10
			>*
			event urgent
			oob EAGAIN
			< P. 3:20 ack 1
			>*
			oob 9
		`},
		{"there is none", "tcp(7)", established, `
			oob EINVAL
			mark no
		`},
		{"a pointer into what was read is ignored", "Linux", established, `
			< P. 1:6 ack 1
			>*
			read 5
			< P.U 6:8 ack 1 urg 0
			>*
			oob 5
		`},
		{"a second one replaces the first", "RFC 9293 3.8.5 MUST-31", established, `
			< P.U 1:6 ack 1 urg 5
			>*
			< P.U 6:9 ack 1 urg 3
			>*
			oob 7
		`},
		{"the pointer of RFC 1122", "tcp_stdurg", established, `
			: stdurg
			write 3 oob
			> P.U 1:4 urg 2
			< P.U 1:6 ack 4 urg 4
			>*
			oob 4
		`},
		{"urgent data is not held by Nagle", "Linux", established, `
			write 100
			> P. 1:101
			write 1 oob
			> P.U 101:102 urg 1
		`},
		{"a closed window is probed with the pointer", "RFC 9293 3.8.5", established, `
			< . 1 ack 1 win 0
			write 1 oob
			+210ms
			> .U 1 urg 1
			>*
		`},
	})
}

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

func TestFastOpen(t *testing.T) {
	runAll(t, []traceCase{
		{"the client asks for a cookie", "RFC 7413 4.2.1", nil, `
			: fo
			connectwith 100
			> S 0 <fo>
			< S. 0 ack 1 <mss 1000,sackOK,fo abcdefgh>
			> P. 1:101 ack 1
		`},
		{"the client sends data with the SYN", "RFC 7413 4.2.2", nil, `
			: fo cookie=abcdefgh
			connectwith 100
			> S 0:100 <fo abcdefgh>
			< S. 0 ack 101 <mss 1000,sackOK>
			> . 101 ack 1
			taken yes
			queued 0
		`},
		{"data that was not taken is sent again", "RFC 7413 4.2.2", nil, `
			: fo cookie=abcdefgh
			connectwith 100
			>*
			< S. 0 ack 1 <mss 1000,sackOK>
			> P. 1:101 ack 1
			taken no
			< . 1 ack 101
		`},
		{"the SYN that is sent again is bare", "RFC 7413 4.2.1", nil, `
			: fo cookie=abcdefgh
			connectwith 100
			>*
			+1s
			> S 0
			< S. 0 ack 1 <mss 1000>
			> P. 1:101
		`},
		{"the server takes data with a good cookie", "RFC 7413 4.2.2", nil, `
			: fo
			< S 0:100 <mss 1000,sackOK,fo abcdefgh>
			> S. 0 ack 1
			>*
			readable 100
			state SYN_RECV
			< . 101 ack 1
			>*
			state ESTABLISHED
			read 100
		`},
		{"and gives one to who asks", "RFC 7413 4.2.1", nil, `
			: cookie=abcdefgh
			< S 0 <mss 1000,sackOK,fo>
			> S. 0 ack 1 <fo abcdefgh>
			< . 1 ack 1
			state ESTABLISHED
		`},
	})
}
