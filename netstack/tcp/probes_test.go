package tcp

import "testing"

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
		{"keep-alive probes a silent peer", "RFC 9293 3.8.4 MUST-24, MUST-27", established, `
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
		{"no probes while data is in flight", "RFC 9293 3.8.4 MUST-26", established, `
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
		{"data resets the time", "RFC 9293 3.8.4 MUST-26", established, `
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
