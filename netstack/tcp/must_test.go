package tcp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// musts says for each MUST of RFC 9293 (appendix B) what holds it: the names of
// tests and cases, or after a colon the reason why nothing here can.
func musts() map[int][]string {
	return map[int][]string{
		1:  {"the window after the handshake is scaled", "a window that shrank is respected"},
		2:  {"TestTCPChecksums"},
		3:  {"TestTCPChecksums"},
		4:  {"TestOptionsAnywhere", "TestOptionsWritten"},
		5:  {"TestOptionsAnywhere", "an old time stamp is refused"},
		6:  {"TestOptionsAnywhere"},
		7:  {"TestOptionsAnywhere"},
		8:  {"TestInitialSequenceNumbers"},
		9:  {"TestInitialSequenceNumbers"},
		10: {"both SYNs cross", "a plain ACK completes it"},
		11: {"RST with the exact number ends it", "RST ends it", "TestTCPListenerCloses"},
		12: {"RST with the exact number", "TestTCPResetOnClose"},
		13: {"TestTCPOverVeth", "FIN again is acknowledged"},
		14: {"three-way handshake", "the peer's MSS limits ours"},
		15: {"no MSS option means 536", "no MSS option over IPv6 means 1220"},
		16: {"the peer's MSS limits ours", "time stamps take room of each segment"},
		17: {"Nagle can be turned off"},
		18: {"no sample of a retransmission"},
		19: {"the time-out doubles", "slow start doubles", "congestion avoidance grows by a segment a window"},
		20: {"the route is suspected before", "retransmission is given up"},
		21: {"the user sets how long"},
		22: {"the SYN is given up"},
		23: {"the SYN is given up"},
		24: {"keep-alive probes a silent peer"},
		25: {"keep-alive is off"},
		26: {"no probes while data is in flight", "data resets the time"},
		27: {"keep-alive probes a silent peer"},
		28: {"the interval may be no less than two hours by default"},
		29: {"one missed answer does not end it"},
		30: {"an urgent byte is read apart", "urgent data points behind its last byte"},
		31: {"the pointer stays until it is acknowledged"},
		32: {"announced before it comes", "TestTCPUrgent"},
		33: {"reading stops at the mark", "TestTCPUrgent"},
		34: {"a window that shrank is respected"},
		35: {"the peer took its window back: probe, no time-out"},
		36: {"a closed window is probed"},
		37: {"an acknowledged probe keeps it alive"},
		38: {"half of the largest window is worth a segment", "a small window takes a small segment in the end"},
		39: {"no silly windows"},
		40: {"and a single one within 200 ms"},
		41: {"TestTCPBindConflicts"},
		42: {"TestTCPBindConflicts", "TestTCPReusePort"},
		43: {"TestTCPTimeWaitReuse"},
		44: {"TestTCPOverVeth"},
		45: {"TestTCPOverVeth"},
		46: {"TestTCPServiceAndTTL"},
		47: {"ICMP's word is the reason", "ICMP does not end an established connection"},
		48: {"TestTCPServiceAndTTL"},
		49: {"TestTCPServiceAndTTL"},
		50: {":options of IP are read and dropped by package ipv4, before a segment comes here"},
		51: {":source routes are refused by default, as Linux does (accept_source_route), and IP_OPTIONS sets none"},
		52: {":see MUST-51"},
		53: {":see MUST-51"},
		54: {"ICMP does not end an established connection", "a smaller MTU sends again at once"},
		55: {":package icmp gives a source quench no meaning (RFC 6633), so none comes here"},
		56: {"ICMP does not end an established connection"},
		57: {"TestTCPAnswersToNobody"},
		58: {"an acknowledgment rides on data"},
		59: {"a filled hole is acknowledged at once"},
		60: {"PSH marks the end of what was written"},
		61: {"PSH marks the end of what was written"},
		62: {"urgent data points behind its last byte"},
		63: {"TestTCPAnswersToNobody"},
		64: {"TestOptionsAnywhere"},
		65: {"no options wanted"},
		66: {"RST counts though the window is closed", "the urgent pointer counts though the window is closed"},
		67: {"the SYN offers what the MTU allows", "an IPv6 SYN"},
		68: {"TestOptionsWritten"},
		69: {":options are written in whole words, by NOPs before them, so that there is no padding"},
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
	table := musts()
	for i := 1; i <= 69; i++ {
		held := table[i]
		if len(held) == 0 {
			t.Errorf("MUST-%d is not held by anything, and there is no reason", i)
		}
		for _, h := range held {
			switch {
			case h[0] == ':':
			case strings.HasPrefix(h, "Test"):
				if !strings.Contains(all, "func "+h+"(t *testing.T)") {
					t.Errorf("MUST-%d: there is no %s", i, h)
				}
			case !strings.Contains(all, `{"`+h+`", "`):
				t.Errorf("MUST-%d: there is no case %q", i, h)
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
