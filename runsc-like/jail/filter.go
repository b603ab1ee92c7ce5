package jail

import (
	"fmt"
	"io"
	"strings"
	"time"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Rule allows one host call, or one shape of it. A call with several rules is
// allowed if one of them fits.
type Rule struct {
	Call   string
	Args   []Arg      // all of them must hold
	Errno  unix.Errno // if not 0 the call is answered with it, not made
	Reason string     // why hull needs it
}

// Arg is a condition on one argument: value & Mask == Value.
type Arg struct {
	Index uint
	Mask  uint64
	Value uint64
}

// allBits compares the whole argument.
const allBits = ^uint64(0)

// intBits compares an int argument, whose upper half the kernel ignores.
const intBits = uint64(0xffffffff)

// is asks for one value of an int argument.
func is(index uint, value uint64) Arg { return Arg{index, intBits, value & intBits} }

// without asks that none of the bits is set.
func without(index uint, bits uint64) Arg { return Arg{index, bits, 0} }

func (a Arg) String() string {
	switch {
	case a.Mask == allBits || a.Mask == intBits:
		return fmt.Sprintf("arg%d == %#x", a.Index, a.Value)
	default:
		return fmt.Sprintf("arg%d & %#x == %#x", a.Index, a.Mask, a.Value)
	}
}

func (r Rule) String() string {
	conds := make([]string, len(r.Args))
	for i, a := range r.Args {
		conds[i] = a.String()
	}
	s := fmt.Sprintf("%s(%s)", r.Call, strings.Join(conds, ", "))
	if r.Errno != 0 {
		s += " = " + unix.ErrnoName(r.Errno)
	}
	return s
}

// allow is a rule for each of the calls, with any arguments.
func allow(reason string, calls ...string) []Rule {
	rules := make([]Rule, len(calls))
	for i, c := range calls {
		rules[i] = Rule{Call: c, Reason: reason}
	}
	return rules
}

// each is a rule for each value of one int argument of call.
func each(reason, call string, index uint, values ...uint64) []Rule {
	rules := make([]Rule, len(values))
	for i, v := range values {
		rules[i] = Rule{Call: call, Args: []Arg{is(index, v)}, Reason: reason}
	}
	return rules
}

// Format prints rules, one a line, and how many calls they let through.
func Format(w io.Writer, title string, rules []Rule) error {
	if _, err := fmt.Fprintf(w, "%s: %d host calls\n", title, Calls(rules)); err != nil {
		return err
	}
	for _, r := range rules {
		if _, err := fmt.Fprintf(w, "  %-60s %s\n", r, r.Reason); err != nil {
			return err
		}
	}
	return nil
}

// Calls counts the distinct host calls that rules let through.
func Calls(rules []Rule) int {
	seen := map[string]bool{}
	for _, r := range rules {
		if r.Errno == 0 {
			seen[r.Call] = true
		}
	}
	return len(seen)
}

// Denied says what becomes of a process that makes a call not in its table.
type Denied int

const (
	// Kill ends the process at once.
	Kill Denied = iota
	// Trap raises SIGSYS, whose trace says where: for finding a missing rule.
	Trap
)

// compile makes the filter of rules.
func compile(rules []Rule, denied Denied) (*seccomp.ScmpFilter, error) {
	action := seccomp.ActKillProcess
	if denied == Trap {
		action = seccomp.ActTrap
	}
	f, err := seccomp.NewFilter(action)
	if err != nil {
		return nil, fmt.Errorf("seccomp filter: %w", err)
	}
	for _, r := range rules {
		if err := add(f, r); err != nil {
			f.Release()
			return nil, fmt.Errorf("seccomp rule %s: %w", r, err)
		}
	}
	// libseccomp-golang synchronises all threads by itself (TSYNC).
	for _, set := range []func() error{
		func() error { return f.SetBadArchAction(seccomp.ActKillProcess) },
		func() error { return f.SetNoNewPrivsBit(true) },
		func() error { return f.SetOptimize(2) }, // a binary tree: the list is long
	} {
		if err := set(); err != nil {
			f.Release()
			return nil, fmt.Errorf("seccomp filter: %w", err)
		}
	}
	return f, nil
}

func add(f *seccomp.ScmpFilter, r Rule) error {
	call, err := number(r.Call)
	if err != nil {
		return err
	}
	action := seccomp.ActAllow
	if r.Errno != 0 {
		action = seccomp.ActErrno.SetReturnCode(int16(r.Errno))
	}
	if len(r.Args) == 0 {
		return f.AddRule(call, action)
	}
	conds := make([]seccomp.ScmpCondition, len(r.Args))
	for i, a := range r.Args {
		if conds[i], err = seccomp.MakeCondition(a.Index, seccomp.CompareMaskedEqual, a.Mask, a.Value); err != nil {
			return err
		}
	}
	return f.AddRuleConditional(call, action, conds)
}

// A Filter is compiled rules, for one Seal.
type Filter struct{ f *seccomp.ScmpFilter }

// Compile prepares Seal. It may run beside other work of the process.
func Compile(rules []Rule, denied Denied) (*Filter, error) {
	f, err := compile(rules, denied)
	if err != nil {
		return nil, err
	}
	return &Filter{f}, nil
}

// Seal makes the calling process not dumpable and puts all its threads under
// the rules. There is no way back.
func (f *Filter) Seal() error {
	defer f.f.Release()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("not dumpable: %w", err)
	}
	// Go makes its poller, which timers need too, at the first sleep. Now it
	// still can.
	time.Sleep(time.Nanosecond)
	if err := f.f.Load(); err != nil {
		return fmt.Errorf("load the seccomp filter: %w", err)
	}
	return nil
}

// Seal is Compile and Seal in one.
func Seal(rules []Rule, denied Denied) error {
	f, err := Compile(rules, denied)
	if err != nil {
		return err
	}
	return f.Seal()
}

// number returns the number of a host call, also of one that is younger than a
// libseccomp that may be linked.
func number(name string) (seccomp.ScmpSyscall, error) {
	if name == "fchmodat2" {
		return unix.SYS_FCHMODAT2, nil
	}
	return seccomp.GetSyscallFromName(name)
}
