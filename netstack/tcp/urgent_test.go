package tcp

import "testing"

func TestUrgent(t *testing.T) {
	runAll(t, []traceCase{
		{"urgent data points behind its last byte", "RFC 6093 4, RFC 9293 3.8.5 MUST-62", established, `
			write 3 oob
			> P.U 1:4 urg 3
			< . 1 ack 4
			write 5
			> P. 4:9
		`},
		{"the pointer stays until it is acknowledged", "RFC 9293 3.8.5 MUST-31", established, `
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
		{"a second one replaces the first", "RFC 6093 3", established, `
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
