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
		{"a FIN to which ours is the answer", "RFC 9293 3.8.6.3, Linux: within a tick of the clock", established, `
			< F. 1 ack 1
			+3ms
			close
			> F. 1 ack 2
			state LAST_ACK
		`},
		{"the peer closes first", "RFC 9293 3.6 case 2", established, `
			< F. 1 ack 1
			+4ms
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
		{"half-closed we still receive", "RFC 9293 3.6", finWait2, `
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
			state CLOSE_WAIT
			+40ms
			> . 1 ack 102
			readable 100
			eof no
			read 100
			eof yes
		`},
		{"our FIN takes the peer's acknowledgment along", "RFC 9293 3.8.6.3", established, `
			< FP. 1:101 ack 1
			state CLOSE_WAIT
			read 100
			shut
			> F. 1 ack 102
			state LAST_ACK
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
