// Package readme holds the README to the code: its table of what is missing is
// what the system call table says.
package readme

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"hull/syscalls"
)

var update = flag.Bool("update", false, "write the README's table anew")

const (
	name  = "../../README.md"
	begin = "<!-- what is missing: written by go test ./test/readme -update -->\n"
	end   = "<!-- end of what is missing -->\n"
)

// expected is the table that the README has to have.
func expected() string {
	const calls = 1024
	var partly, reasons []string
	missing := map[string][]string{} // by reason
	for nr := range uintptr(calls) {
		r := syscalls.Table().Lookup(nr)
		switch {
		case r.Name == "":
		case r.Func == nil:
			if len(missing[r.Missing]) == 0 && r.Missing != "" {
				reasons = append(reasons, r.Missing)
			}
			missing[r.Missing] = append(missing[r.Missing], "`"+r.Name+"`")
		case r.Missing != "":
			partly = append(partly, fmt.Sprintf("| `%s` | %s |\n", r.Name, r.Missing))
		}
	}
	var b strings.Builder
	b.WriteString("| system call | what is missing |\n|---|---|\n")
	slices.Sort(partly)
	b.WriteString(strings.Join(partly, ""))
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Fprintf(&b, "| %s | all of it: %s |\n", strings.Join(missing[why], ", "), why)
	}
	if plain := missing[""]; len(plain) > 0 {
		fmt.Fprintf(&b, "| %s | all of it |\n", strings.Join(plain, ", "))
	}
	return b.String()
}

func TestMissing(t *testing.T) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has not the two lines %q and %q", name, begin, end)
	}
	want := expected()
	if table == want {
		return
	}
	if *update {
		if err := os.WriteFile(name, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what syscalls.Table says; go test ./test/readme -update writes:\n%s", name, want)
}
