package ipc

import (
	"iter"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
)

// indexBits is how many low bits of an identifier are the object's slot; the rest
// counts how often slots were used again.
const indexBits = 15

// MaxObjects is how many objects of one kind a namespace can have (IPCMNI).
const MaxObjects = 1 << indexBits

// Object is a System V object. Perm is guarded by the lock of its table.
type Object interface {
	comparable
	Permissions() *Perm
}

// Table has the System V objects of one kind in a namespace, found by identifier
// and by key. The lock of its owner guards it. The zero value is empty.
type Table[T Object] struct {
	slots []entry[T]
	keys  map[int32]int32 // identifiers
	n     int
	last  int // the slot that was given out last
	seq   int32
}

type entry[T Object] struct {
	o    T
	id   int32
	used bool
	ever bool // it was used before
}

// Open is the part of the calls that get an object which all have in common: it
// finds the one with a key, which suits has to accept, or adds what create makes,
// where there may be most.
func (tab *Table[T]) Open(t current.Task, ns *auth.UserNamespace, key int32, flags uint32, most int64,
	suits func(T) error, create func(Perm) (T, error)) (id int32, err error) {
	if key != Private {
		id, found := tab.keys[key]
		switch {
		case found && flags&(Create|Excl) == Create|Excl:
			return 0, unix.EEXIST
		case found:
			o := tab.slots[id&(MaxObjects-1)].o
			if err := suits(o); err != nil {
				return 0, err
			}
			return id, o.Permissions().Check(t, ns, flags&0o777)
		case flags&Create == 0:
			return 0, unix.ENOENT
		}
	}
	o, err := create(NewPerm(t, key, flags))
	if err != nil {
		return 0, err
	}
	if int64(tab.n) >= min(most, MaxObjects) {
		return 0, unix.ENOSPC
	}
	return tab.add(o), nil
}

// add puts an object into the next free slot behind the one that was used last.
func (tab *Table[T]) add(o T) int32 {
	slot := -1
	for i := range tab.slots {
		if k := (tab.last + 1 + i) % len(tab.slots); !tab.slots[k].used {
			slot = k
			break
		}
	}
	if slot < 0 {
		slot = len(tab.slots)
		tab.slots = append(tab.slots, entry[T]{})
	}
	if tab.slots[slot].ever {
		tab.seq = (tab.seq + 1) & (1<<(31-indexBits) - 1)
	}
	id := tab.seq<<indexBits | int32(slot)
	tab.slots[slot] = entry[T]{o: o, id: id, used: true}
	tab.last = slot
	tab.n++
	if key := o.Permissions().Key; key != Private {
		if tab.keys == nil {
			tab.keys = map[int32]int32{}
		}
		tab.keys[key] = id
	}
	return id
}

// Get returns an object by its identifier: EINVAL.
func (tab *Table[T]) Get(id int32) (o T, err error) {
	if slot := int(id & (MaxObjects - 1)); id >= 0 && slot < len(tab.slots) {
		if e := &tab.slots[slot]; e.used && e.id == id {
			return e.o, nil
		}
	}
	return o, unix.EINVAL
}

// At returns what is in a slot: EINVAL.
func (tab *Table[T]) At(slot int32) (o T, id int32, err error) {
	if slot < 0 || int(slot) >= len(tab.slots) || !tab.slots[slot].used {
		return o, 0, unix.EINVAL
	}
	e := &tab.slots[slot]
	return e.o, e.id, nil
}

// Look is Get, or with slot At, of what the caller may read, or any.
func (tab *Table[T]) Look(t current.Task, ns *auth.UserNamespace, id int32, slot, any bool) (o T, found int32, err error) {
	if found = id; slot {
		o, found, err = tab.At(id)
	} else {
		o, err = tab.Get(id)
	}
	if err == nil && !any {
		err = o.Permissions().Check(t, ns, 0o444)
	}
	return o, found, err
}

// Remove takes an object out.
func (tab *Table[T]) Remove(id int32) {
	e := &tab.slots[id&(MaxObjects-1)]
	key := e.o.Permissions().Key
	if tab.keys[key] == id {
		delete(tab.keys, key)
	}
	*e = entry[T]{ever: true}
	tab.n--
}

// All returns the objects, with their identifiers, by slot.
func (tab *Table[T]) All() iter.Seq2[int32, T] {
	return func(yield func(int32, T) bool) {
		for _, e := range tab.slots {
			if e.used && !yield(e.id, e.o) {
				return
			}
		}
	}
}

// Usage returns how many objects there are, and the highest slot in use.
func (tab *Table[T]) Usage() (n, highest int) {
	for i, e := range tab.slots {
		if e.used {
			highest = i
		}
	}
	return tab.n, highest
}

// Seq is the part of an identifier that struct ipc64_perm shows.
func Seq(id int32) uint16 { return uint16(id >> indexBits) }

// Budget bounds the memory that System V objects of all namespaces take from the
// sentry.
type Budget struct{ left atomic.Int64 }

// NewBudget returns one of so many bytes.
func NewBudget(bytes int64) *Budget {
	b := &Budget{}
	b.left.Store(bytes)
	return b
}

// Take takes bytes: ENOMEM.
func (b *Budget) Take(bytes int64) error {
	if b.left.Add(-bytes) < 0 {
		b.left.Add(bytes)
		return unix.ENOMEM
	}
	return nil
}

// Give gives bytes back.
func (b *Budget) Give(bytes int64) { b.left.Add(bytes) }
