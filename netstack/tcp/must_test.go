package tcp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// musts says for each MUST of RFC 9293 (appendix B) what holds it: the names of
// tests and cases, or after a colon the reason why nothing here can.
func musts() [69][]string {
	return [69][]string{
		1 - 1:  {"the window after the handshake is scaled", "a window that shrank is respected"},
		2 - 1:  {"TestTCPChecksums"},
		3 - 1:  {"TestTCPChecksums"},
		4 - 1:  {"TestOptionsAnywhere", "TestOptionsWritten"},
		5 - 1:  {"TestOptionsAnywhere", "an old time stamp is refused"},
		6 - 1:  {"TestOptionsAnywhere"},
		7 - 1:  {"TestOptionsAnywhere"},
		8 - 1:  {"TestInitialSequenceNumbers"},
		9 - 1:  {"TestInitialSequenceNumbers"},
		10 - 1: {"both SYNs cross", "a plain ACK completes it"},
		11 - 1: {"RST with the exact number ends it", "RST ends it", "TestTCPListenerCloses"},
		12 - 1: {"RST with the exact number", "TestTCPResetOnClose"},
		13 - 1: {"TestTCPOverVeth", "FIN again is acknowledged"},
		14 - 1: {"three-way handshake", "the peer's MSS limits ours"},
		15 - 1: {"no MSS option means 536", "no MSS option over IPv6 means 1220"},
		16 - 1: {"the peer's MSS limits ours", "time stamps take room of each segment"},
		17 - 1: {"Nagle can be turned off"},
		18 - 1: {"no sample of a retransmission"},
		19 - 1: {"the time-out doubles", "slow start doubles", "congestion avoidance grows by a segment a window"},
		20 - 1: {"the route is suspected before", "retransmission is given up"},
		21 - 1: {"the user sets how long"},
		22 - 1: {"the SYN is given up"},
		23 - 1: {"the SYN is given up"},
		24 - 1: {"keep-alive probes a silent peer"},
		25 - 1: {"keep-alive is off"},
		26 - 1: {"no probes while data is in flight", "data resets the time"},
		27 - 1: {"keep-alive probes a silent peer"},
		28 - 1: {"the interval may be no less than two hours by default"},
		29 - 1: {"one missed answer does not end it"},
		30 - 1: {"an urgent byte is read apart", "urgent data points behind its last byte"},
		31 - 1: {"the pointer stays until it is acknowledged"},
		32 - 1: {"announced before it comes", "TestTCPUrgent"},
		33 - 1: {"reading stops at the mark", "TestTCPUrgent"},
		34 - 1: {"a window that shrank is respected"},
		35 - 1: {"the peer took its window back: probe, no time-out"},
		36 - 1: {"a closed window is probed"},
		37 - 1: {"an acknowledged probe keeps it alive"},
		38 - 1: {"half of the largest window is worth a segment", "a small window takes a small segment in the end"},
		39 - 1: {"no silly windows"},
		40 - 1: {"and a single one within 200 ms"},
		41 - 1: {"TestTCPBindConflicts"},
		42 - 1: {"TestTCPBindConflicts", "TestTCPReusePort"},
		43 - 1: {"TestTCPTimeWaitReuse"},
		44 - 1: {"TestTCPOverVeth"},
		45 - 1: {"TestTCPOverVeth"},
		46 - 1: {"TestTCPServiceAndTTL"},
		47 - 1: {"ICMP's word is the reason", "ICMP does not end an established connection"},
		48 - 1: {"TestTCPServiceAndTTL"},
		49 - 1: {"TestTCPServiceAndTTL"},
		50 - 1: {":options of IP are read and dropped by package ipv4, before a segment comes here"},
		51 - 1: {":source routes are refused by default, as Linux does (accept_source_route), and IP_OPTIONS sets none"},
		52 - 1: {":see MUST-51"},
		53 - 1: {":see MUST-51"},
		54 - 1: {"ICMP does not end an established connection", "a smaller MTU sends again at once"},
		55 - 1: {":package icmp gives a source quench no meaning (RFC 6633), so none comes here"},
		56 - 1: {"ICMP does not end an established connection"},
		57 - 1: {"TestTCPAnswersToNobody"},
		58 - 1: {"an acknowledgment rides on data"},
		59 - 1: {"a filled hole is acknowledged at once"},
		60 - 1: {"PSH marks the end of what was written"},
		61 - 1: {"PSH marks the end of what was written"},
		62 - 1: {"urgent data points behind its last byte"},
		63 - 1: {"TestTCPAnswersToNobody"},
		64 - 1: {"TestOptionsAnywhere"},
		65 - 1: {"no options wanted"},
		66 - 1: {"RST counts though the window is closed", "the urgent pointer counts though the window is closed"},
		67 - 1: {"the SYN offers what the MTU allows", "an IPv6 SYN"},
		68 - 1: {"TestOptionsWritten"},
		69 - 1: {":options are written in whole words, by NOPs before them, so that there is no padding"},
	}
}

// What the table names must be there.
func TestMusts(t *testing.T) {
	var text strings.Builder
	for _, pattern := range []string{"*_test.go", "../stack/tcp*_test.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, names, err)
		}
		for _, n := range names {
			if n == "must_test.go" {
				continue
			}
			b, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
	}
	all := text.String()
	for i, held := range musts() {
		if len(held) == 0 {
			t.Errorf("MUST-%d is not held by anything, and there is no reason", i+1)
		}
		for _, h := range held {
			switch {
			case h[0] == ':':
			case strings.HasPrefix(h, "Test"):
				if !strings.Contains(all, "func "+h+"(t *testing.T)") {
					t.Errorf("MUST-%d: there is no %s", i+1, h)
				}
			case !strings.Contains(all, `{"`+h+`", "`):
				t.Errorf("MUST-%d: there is no case %q", i+1, h)
			}
		}
	}
}

// There are so many named cases, each with its clause.
func TestCases(t *testing.T) {
	names, _ := filepath.Glob("*_test.go")
	n := 0
	for _, f := range names {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.SplitSeq(string(b), "\n") {
			if strings.HasPrefix(l, "\t\t{\"") && strings.Contains(l, `", "`) {
				n++
			}
		}
	}
	if n < 250 {
		t.Errorf("%d cases", n)
	}
	t.Logf("%d cases", n)
}
