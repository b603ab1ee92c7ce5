package tcp

import "testing"

func TestSpurious(t *testing.T) {
	runAll(t, []traceCase{
		{"F-RTO: new data tells that the time-out was spurious", "RFC 5682 2.1 step 3b", established, `
			: tlp=0
			write 4000
			>*
			+210ms
			> . 1:1001
			ca loss
			write 2000
			< . 1 ack 1001
			> . 4001:5001
			> P. 5001:6001
			ca loss
			< . 1 ack 2001 # of what was not sent again
			ca open
			cwnd 11
			counter SpuriousRTOs 1
		`},
		{"F-RTO: a duplicate tells that it was real", "RFC 5682 2.1 step 3a", established, `
			: tlp=0 nosack
			write 4000
			>*
			+210ms
			> . 1:1001
			write 2000
			< . 1 ack 2001
			> . 4001:5001
			>*
			< . 1 ack 2001
			>*
			ca loss
			counter SpuriousRTOs 0
		`},
		{"F-RTO: SACK of what left before tells it", "RFC 5682 3.1", established, `
			: tlp=0
			write 4000
			>*
			+210ms
			> . 1:1001
			< . 1 ack 1 <sack 1001:2001>
			>*
			counter SpuriousRTOs 1
		`},
		{"Eifel: the echo is of the first transmission", "RFC 3522 3.2", established, `
			: tlp=0 ts frto=0
			write 1976
			>*
			+210ms
			> . 1:989
			< . 1 ack 989 <ts 5100:1017>
			ca open
			cwnd 10
			counter LossUndo 1
		`},
		{"not if the echo is of the retransmission", "RFC 3522 3.2", established, `
			: tlp=0 ts frto=0
			write 1976
			>*
			+210ms
			> . 1:989
			< . 1 ack 989 <ts 5100:last>
			>*
			ca loss
		`},
		{"DSACK for all that was sent again", "RFC 3708", established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			> . 1:1001
			cwnd 8
			+5ms
			< . 1 ack 4001
			>*
			< . 1 ack 4001 <sack 1:1001>
			>*
			ca open
			cwnd 10
			counter DSACKUndo 1
		`},
		{"a tail loss probe sends the last segment again", "RFC 8985 7.3", established, `
			write 3000
			>*
			+21ms
			+1ms
			> P. 2001:3001
			counter LossProbes 1
			ca open
		`},
		{"or new data if there is some", "RFC 8985 7.3", established, `
			: win=3000 nows
			write 4000
			> . 1:1001
			> . 1001:2001
			> . 2001:3001
			+20ms
			>*
		`},
		{"a single segment waits for the delayed acknowledgment", "RFC 8985 7.2", established, `
			write 1000
			>*
			+200ms
			+10ms
			> P. 1:1001
			counter LossProbes 1
		`},
		{"a probe that repaired a loss reduces the window", "RFC 8985 7.4", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			write 1000
			>*
			+10ms
			< . 1 ack 4001
			counter LossProbeRecovery 1
			cwnd 5
		`},
		{"a probe that was not needed does not", "RFC 8985 7.4", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			+1ms
			< . 1 ack 3001
			+1ms
			< . 1 ack 3001 <sack 2001:3001>
			cwnd 10
			counter LossProbeRecovery 0
		`},
		{"nor if that is told when all was acknowledged", "RFC 8985 7.4", established, `
			write 2000
			>*
			+22ms
			>*
			counter LossProbes 1
			< . 1 ack 2001
			< . 1 ack 2001 <sack 1001:2001> # nothing is in flight
			write 1000
			>*
			< . 1 ack 3001
			counter LossProbeRecovery 0
			cwnd 10
		`},
		{"a probe shows a loss by SACK", "RFC 8985 7", established, `
			write 5000
			>*
			+22ms
			> P. 4001:5001
			+10ms
			< . 1 ack 1 <sack 4001:5001>
			>*
			+10ms
			>*
			ca recovery
		`},
		{"after the probe the time-out", "RFC 8985 7.3", established, `
			write 3000
			>*
			+22ms
			> P. 2001:3001
			+210ms
			> . 1:1001
			ca loss
		`},
		{"no probe without SACK", "RFC 8985 7.2", established, `
			: nosack
			write 3000
			>*
			+209ms
			+1ms
			> . 1:1001
		`},
	})
}
