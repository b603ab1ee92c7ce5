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

	"hull/runsc-like/container"
	"hull/syscalls"
)

var update = flag.Bool("update", false, "write the README's table anew")

const name = "../../README.md"

// The lines around what is written from the code.
func marks(what string) (begin, end string) {
	return "<!-- " + what + ": written by go test ./test/readme -update -->\n", "<!-- end of " + what + " -->\n"
}

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

// exceptions is the table of what of the OCI specification is not done.
func exceptions() string {
	var b strings.Builder
	b.WriteString("| property | what becomes of it | why |\n|---|---|---|\n")
	for _, e := range container.Exceptions() {
		what, of := "no effect", ""
		if e.Refused {
			what = "an error"
		}
		if e.Value != "" {
			of = ": " + e.Value
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", e.Field, of, what, e.Why)
	}
	return b.String()
}

func TestMissing(t *testing.T) { check(t, "what is missing", expected()) }
func TestExceptions(t *testing.T) {
	check(t, "what is accepted without effect, or refused", exceptions())
}

// check compares a part of the README with what it has to be.
func check(t *testing.T, what, want string) {
	begin, end := marks(what)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has not the two lines %q and %q", name, begin, end)
	}
	if table == want {
		return
	}
	if *update {
		if err := os.WriteFile(name, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the code says; go test ./test/readme -update writes:\n%s", name, want)
}
