package tcp

import "testing"

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
