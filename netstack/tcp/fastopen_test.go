package tcp

import "testing"

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
		{"and answers before the handshake is complete", "RFC 7413 4.2.2", nil, `
			: fo
			< S 0:100 <mss 1000,sackOK,fo abcdefgh>
			> S. 0 ack 1
			>*
			read 100
			write 1500
			> . 1:1001 ack 101
			> P. 1001:1501 ack 101
			state SYN_RECV
			< . 101 ack 1501
			state ESTABLISHED
			queued 0
		`},
		{"an answer whose handshake was lost is sent again", "RFC 7413 4.2.2", nil, `
			: fo tlp=0
			< S 0:100 <mss 1000,sackOK,fo abcdefgh>
			>*
			read 100
			write 500
			> P. 1:501 ack 101
			+1s
			> S. 0
			>*
			< . 101 ack 1
			+3s # RFC 6298 section 5.7
			> P. 1:501
			>*
			< . 101 ack 501
			queued 0
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
