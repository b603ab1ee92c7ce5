package syscalls

import (
	"math/bits"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// What select(2) calls readable, writable and exceptional.
const (
	selectIn  = wait.RdNrm | wait.RdBnd | wait.In | wait.Hup | wait.Err
	selectOut = wait.WrBnd | wait.WrNrm | wait.Out | wait.Err
	selectPri = wait.Pri
)

// select4 is select(2), whose name Go has taken.
func select4(t *kernel.Task, a arch.Args) (uintptr, error) {
	var w timeout
	if a[4] != 0 {
		tv, err := usermem.In[unix.Timeval](t.Mem(), usermem.Addr(a[4]))
		if err != nil {
			return 0, err
		}
		if tv.Sec < 0 || tv.Usec < 0 {
			return 0, unix.EINVAL
		}
		d := maxWait
		if tv.Sec < int64(maxWait/time.Second) && tv.Usec < int64(maxWait/time.Microsecond) {
			d = time.Duration(tv.Sec)*time.Second + time.Duration(tv.Usec)*time.Microsecond
		}
		w = after(d)
	}
	n, err := doSelect(t, a, w)
	if a[4] != 0 {
		tv := unix.NsecToTimeval(int64(w.left()))
		_ = usermem.Out(t.Mem(), usermem.Addr(a[4]), &tv)
	}
	return n, interrupted(err)
}

// pselect6 is pselect(2). Its sixth argument points to mask and size.
func pselect6(t *kernel.Task, a arch.Args) (uintptr, error) {
	var m [2]arch.Arg
	if a[5] != 0 {
		var err error
		if m, err = usermem.In[[2]arch.Arg](t.Mem(), usermem.Addr(a[5])); err != nil {
			return 0, err
		}
	}
	w, err := timespecArg(t, a[4])
	if err != nil {
		return 0, err
	}
	if err := maskArg(t, m[0], m[1]); err != nil {
		return 0, err
	}
	n, err := doSelect(t, a, w)
	outLeft(t, a[4], w)
	return n, interrupted(err)
}

// fdSets are the three sets, nil where there is none.
type fdSets [3][]uint64

// doSelect is the common part: a has n and the addresses of the sets.
func doSelect(t *kernel.Task, a arch.Args, w timeout) (uintptr, error) {
	n := a[0].Int()
	if n < 0 {
		return 0, unix.EINVAL
	}
	// What is beyond the table is not looked at, nor is it EBADF.
	n = min(n, int32(t.Files().Slots()))
	words := int(n+63) / 64
	room := t.Words(3 * words)
	var sets fdSets
	for i := range sets {
		if a[1+i] == 0 {
			continue
		}
		sets[i] = room[i*words : (i+1)*words]
		if err := inSet(t, a[1+i], int(n), sets[i]); err != nil {
			return 0, err
		}
	}
	files, err := selectFiles(t, &sets, words)
	defer dropPolled(t, files)
	if err != nil {
		return 0, err
	}
	if _, err := pollFiles(t, files, w); err != nil {
		return 0, err
	}
	count := sets.answer(files)
	for i, s := range sets {
		if err := usermem.OutSlice(t.Mem(), usermem.Addr(a[1+i]), s); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// events are what the sets ask for.
func events() [3]wait.Mask { return [3]wait.Mask{selectIn, selectOut, selectPri} }

func (s *fdSets) has(i int, fd int32) bool {
	return s[i] != nil && s[i][fd/64]&(1<<(fd%64)) != 0
}

// answer leaves in the sets what came true of what they asked, and counts it.
func (s *fdSets) answer(files []polled) (count uintptr) {
	for i := range s {
		clear(s[i])
	}
	for k := range files {
		f := &files[k]
		for i, m := range events() {
			if f.sets&(1<<i) != 0 && f.got&m != 0 {
				s[i][f.fd/64] |= 1 << (f.fd % 64)
				count++
			}
		}
	}
	return count
}

// selectFiles gets the files that are in any set; EBADF if one is not open.
func selectFiles(t *kernel.Task, sets *fdSets, words int) (files []polled, err error) {
	any := func(i int) (w uint64) {
		for _, s := range sets {
			if s != nil {
				w |= s[i]
			}
		}
		return w
	}
	n := 0
	for i := range words {
		n += bits.OnesCount64(any(i))
	}
	files = make([]polled, 0, n)
	for i := range words {
		for w := any(i); w != 0; w &= w - 1 {
			fd := int32(i*64 + bits.TrailingZeros64(w))
			f, err := t.Files().Get(fd)
			if err != nil {
				return files, err
			}
			p := polled{file: f, fd: fd}
			for k, m := range events() {
				if sets.has(k, fd) {
					p.want |= m
					p.sets |= 1 << k
				}
			}
			files = append(files, p)
		}
	}
	return files, nil
}

// inSet copies in a set of n bits: whole longs, as Linux does.
func inSet(t *kernel.Task, addr arch.Arg, n int, set []uint64) error {
	err := usermem.Fill(t.Mem(), usermem.Addr(addr), set)
	if r := n % 64; err == nil && r != 0 {
		set[len(set)-1] &= 1<<r - 1
	}
	return err
}
