package xtables

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/stack"
	"hull/sentry/current/currenttest"
	"hull/sentry/usermem"
)

var ne = binary.NativeEndian

func newTables(t testing.TB, v6 bool) Tables {
	start := time.Now()
	st := stack.New(stack.Config{
		Pool: new(buffer.Pool), Wall: time.Now, Random: func(b []byte) { _, _ = rand.Read(b) },
		Now:   func() int64 { return int64(time.Since(start)) + 1 },
		After: func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
	})
	t.Cleanup(st.Close)
	return Tables{st, v6}
}

// replacement is struct ipt_replace of a table, with counters to be written to the
// task's address 64.
func replacement(t *table, entries, counters int) []byte {
	b := make([]byte, replaceSize, replaceSize+len(t.blob))
	copy(b, t.kind.name)
	ne.PutUint32(b[32:], t.kind.hooks)
	ne.PutUint32(b[36:], uint32(entries))
	ne.PutUint32(b[40:], uint32(len(t.blob)))
	for h := range filter.Hooks {
		ne.PutUint32(b[44+4*h:], t.entry[h])
		ne.PutUint32(b[64+4*h:], t.underflow[h])
	}
	ne.PutUint32(b[84:], uint32(counters))
	ne.PutUint64(b[88:], 64)
	return append(b, t.blob...)
}

// question is the beginning of a question about a table.
func question(name string, size int) []byte {
	b := make([]byte, nameSize+8)
	copy(b, name)
	ne.PutUint32(b[nameSize:], uint32(size))
	return b
}

// Each table is there from the start, and what is read of it can be set again.
func TestInitial(t *testing.T) {
	task := currenttest.New(1 << 16)
	for _, v6 := range []bool{false, true} {
		x := newTables(t, v6)
		for _, name := range []string{"filter", "nat", "mangle", "raw", "security"} {
			q := make([]byte, infoSize)
			copy(q, name)
			i, err := x.Get(getInfo, q, infoSize)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n, size := int(ne.Uint32(i[76:])), int(ne.Uint32(i[80:]))
			got, err := x.Get(getEntries, question(name, size), entriesSize+size)
			if err != nil || len(got) != entriesSize+size {
				t.Fatalf("%s: %d bytes, %v", name, len(got), err)
			}
			now, _ := x.table(q)
			if err := x.Set(task, setReplace, replacement(now, n, n)); err != nil {
				t.Errorf("%s: set again: %v", name, err)
			}
		}
		if names := x.Names(); len(names) != 5 || names[0] != "security" {
			t.Errorf("names %v", names)
		}
		if _, err := x.Get(getInfo, make([]byte, infoSize), infoSize); err != unix.ENOENT {
			t.Errorf("a table without a name: %v", err)
		}
	}
}

// Counters go to who replaces a table, and can be added to the new one.
func TestCounters(t *testing.T) {
	task := currenttest.New(1 << 16)
	x := newTables(t, false)
	add := func(n int) []byte {
		b := question("filter", n)
		for i := range n {
			b = ne.AppendUint64(ne.AppendUint64(b, uint64(i)), uint64(100*i))
		}
		return b
	}
	if err := x.Set(task, addCounters, add(4)); err != nil {
		t.Fatal(err)
	}
	if err := x.Set(task, addCounters, add(3)); err != unix.EINVAL {
		t.Errorf("too few counters: %v", err)
	}
	was, err := x.table(question("filter", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Set(task, setReplace, replacement(was, 4, 3)); err != unix.EAGAIN {
		t.Errorf("a table that was replaced meanwhile: %v", err)
	}
	if err := x.Set(task, setReplace, replacement(was, 4, 4)); err != nil {
		t.Fatal(err)
	}
	told := task.Memory.(usermem.Bytes)[64:]
	if p, b := ne.Uint64(told[48:]), ne.Uint64(told[56:]); p != 3 || b != 300 {
		t.Errorf("the fourth counter was %d packets, %d bytes", p, b)
	}
	now, _ := x.table(question("filter", 0))
	if p, b := now.counters[3].Values(false); p != 0 || b != 0 {
		t.Errorf("the new one begins at %d, %d", p, b)
	}
}

func TestRevisions(t *testing.T) {
	x := newTables(t, false)
	for _, c := range []struct {
		option int32
		name   string
		rev    byte
		want   error
	}{
		{getMatch4, "conntrack", 3, nil}, {getMatch4, "conntrack", 9, unix.EPROTONOSUPPORT}, {getMatch4, "none", 0, unix.ENOENT},
		{getMatch4 + 1, "MARK", 2, nil}, {getMatch4 + 1, "conntrack", 3, unix.ENOENT}, {getMatch4, "hl", 0, unix.ENOENT},
	} {
		q := make([]byte, revisionSize)
		copy(q, c.name)
		q[revisionSize-1] = c.rev
		if _, err := x.Get(c.option, q, revisionSize); err != c.want && (err == nil) != (c.want == nil) {
			t.Errorf("%s %d: %v, want %v", c.name, c.rev, err, c.want)
		}
	}
}

// What is not whole is refused, each for itself.
func TestHostile(t *testing.T) {
	task := currenttest.New(1 << 16)
	f := formOf(filter.IPv4)
	if _, err := f.parse(make([]byte, maxBlob+1)); err != unix.ENOMEM {
		t.Errorf("more than %d bytes: %v", maxBlob, err)
	}
	for name, spoil := range map[string]func(b []byte){
		"target before the entry's end": func(b []byte) { ne.PutUint16(b[f.offsets:], 8) },
		"odd offset":                    func(b []byte) { ne.PutUint16(b[f.offsets:], uint16(f.size)+1) },
		"next past the end":             func(b []byte) { ne.PutUint16(b[f.offsets+2:], 0xfff8) },
		"next at the entry itself":      func(b []byte) { ne.PutUint16(b[f.offsets+2:], 0) },
		"flags":                         func(b []byte) { b[82] = 0xff },
		"target's size":                 func(b []byte) { ne.PutUint16(b[f.size:], 0xffff) },
		"name without an end": func(b []byte) {
			for i := range maxExtName {
				b[f.size+2+i] = 'x'
			}
		},
		"policy that asks":         func(b []byte) { b[80] = unix.IPPROTO_TCP },
		"policy that jumps":        func(b []byte) { ne.PutUint32(b[f.size+extHeader:], 0) },
		"policy that goes back":    func(b []byte) { v := int32(verdictReturn); ne.PutUint32(b[f.size+extHeader:], uint32(v)) },
		"no label at the end":      func(b []byte) { copy(b[len(b)-errorTarget+2:], "OTHER") },
		"unknown target":           func(b []byte) { copy(b[f.size+2:], "LOG2") },
		"standard target too long": func(b []byte) { ne.PutUint16(b[f.size:], standardTarget+8) },
	} {
		x := newTables(t, false)
		now, err := x.table(question("filter", 0))
		if err != nil {
			t.Fatal(err)
		}
		b := replacement(now, 4, 4)
		spoil(b[replaceSize:])
		if err := x.Set(task, setReplace, b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Whatever a guest passes: no panic, and what was taken can be read.
func FuzzReplace(f *testing.F) {
	for _, name := range []string{"filter", "nat"} {
		x := newTables(f, false)
		now, _ := x.table(question(name, 0))
		f.Add(false, replacement(now, len(now.counters), len(now.counters)))
	}
	six := newTables(f, true)
	now, _ := six.table(question("raw", 0))
	f.Add(true, replacement(now, len(now.counters), len(now.counters)))
	task := currenttest.New(1 << 16)
	four := newTables(f, false)
	f.Fuzz(func(t *testing.T, v6 bool, b []byte) {
		x := four
		if v6 {
			x = six
		}
		if x.Set(task, setReplace, b) != nil {
			return
		}
		i, err := x.Get(getInfo, append(b[:nameSize:nameSize], make([]byte, infoSize-nameSize)...), infoSize)
		if err != nil {
			t.Fatalf("info of a table that was set: %v", err)
		}
		size := int(ne.Uint32(i[80:]))
		q := append(b[:nameSize:nameSize], make([]byte, 8)...)
		ne.PutUint32(q[nameSize:], uint32(size))
		if _, err := x.Get(getEntries, q, entriesSize+size); err != nil {
			t.Fatalf("entries of a table that was set: %v", err)
		}
	})
}
