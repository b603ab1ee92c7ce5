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
			> . 1 ack 1 win 512
			state ESTABLISHED
			event connected !closed
			srtt 10ms
		`},
	})
}
