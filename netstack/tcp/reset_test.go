package tcp

import "testing"

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
		{"ICMP does not end an established connection", "RFC 9293 3.9.2.2 MUST-54, MUST-56, RFC 5927", established, `
			write 100
			>*
			icmp ECONNREFUSED 1
			state ESTABLISHED
			softerr ECONNREFUSED
		`},
		{"RST counts though the window is closed", "RFC 9293 3.10.7.4 MUST-66", established, `
			: rcvbuf=4000 noscale
			< . 1:2001 ack 1
			>*
			window 0
			< R 2001
			state CLOSE
			err ECONNRESET
		`},
		{"the urgent pointer counts though the window is closed", "RFC 9293 3.10.7.4 MUST-66", established, `
			: rcvbuf=4000 noscale
			< . 1:2001 ack 1
			>*
			window 0
			< .U 2001 ack 1 urg 5
			event urgent
			oob EAGAIN
		`},
		{"an acknowledgment counts though the window is closed", "RFC 9293 3.10.7.4 first", established, `
			: rcvbuf=4000 noscale
			write 100
			>*
			< . 1:2001 ack 1
			>*
			window 0
			< . 2001 ack 101
			queued 0
		`},
		{"SYN in TIME_WAIT's neighbour LAST_ACK is challenged", "RFC 5961 4.2", lastAck, `
			< S 50
			> . 2 ack 2
			state LAST_ACK
		`},
	})
}
