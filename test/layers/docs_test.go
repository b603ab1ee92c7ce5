package layers

import (
	"os"
	"strings"
	"testing"
)

// ARCHITECTURE.md shows the lock order as package lock has it.
func TestLockOrderInArchitecture(t *testing.T) {
	src, err := os.ReadFile("../../sentry/lock/lock.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var ranks strings.Builder
	for line := range strings.Lines(string(src)) {
		if rank, ok := strings.CutPrefix(line, "//\t"); ok {
			ranks.WriteString(rank)
		}
	}
	if want := "```\n" + ranks.String() + "```"; !strings.Contains(string(doc), want) {
		t.Errorf("ARCHITECTURE.md has not the lock order of sentry/lock:\n%s", want)
	}
}

// What SPECIFICATION.md tells to make is a target of the Makefile.
func TestSpecificationCommands(t *testing.T) {
	spec, err := os.ReadFile("../../SPECIFICATION.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(spec), "`") {
		if target, ok := strings.CutPrefix(part, "make "); ok && !strings.Contains(string(makefile), "\n"+target+":") {
			t.Errorf("SPECIFICATION.md: no target %q in the Makefile", target)
		}
	}
}
