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
	var in fdSets
	for i := range in {
		if a[1+i] == 0 {
			continue
		}
		var err error
		if in[i], err = inSet(t, a[1+i], int(n), words); err != nil {
			return 0, err
		}
	}
	fds, files, err := selectFiles(t, &in, words)
	defer dropPolled(t, files)
	if err != nil {
		return 0, err
	}
	if _, err := pollFiles(t, files, w); err != nil {
		return 0, err
	}
	count, out := uintptr(0), fdSets{}
	for i := range in {
		if in[i] == nil {
			continue
		}
		out[i] = make([]uint64, words)
		for k := range files {
			fd := fds[k]
			if in.has(i, fd) && files[k].got&[3]wait.Mask{selectIn, selectOut, selectPri}[i] != 0 {
				out[i][fd/64] |= 1 << (fd % 64)
				count++
			}
		}
		if err := usermem.OutSlice(t.Mem(), usermem.Addr(a[1+i]), out[i]); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (s *fdSets) has(i int, fd int32) bool {
	return s[i] != nil && s[i][fd/64]&(1<<(fd%64)) != 0
}

// selectFiles gets the files that are in any set; EBADF if one is not open.
func selectFiles(t *kernel.Task, in *fdSets, words int) (fds []int32, files []polled, err error) {
	for i := range words {
		var any uint64
		for _, s := range in {
			if s != nil {
				any |= s[i]
			}
		}
		for ; any != 0; any &= any - 1 {
			fd := int32(i*64 + bits.TrailingZeros64(any))
			f, err := t.Files().Get(fd)
			if err != nil {
				return nil, files, err
			}
			p := polled{file: f}
			for k, m := range [3]wait.Mask{selectIn, selectOut, selectPri} {
				if in.has(k, fd) {
					p.want |= m
				}
			}
			fds, files = append(fds, fd), append(files, p)
		}
	}
	return fds, files, nil
}

// inSet copies in a set of n bits: whole longs, as Linux does.
func inSet(t *kernel.Task, addr arch.Arg, n, words int) ([]uint64, error) {
	s, err := usermem.InSlice[uint64](t.Mem(), usermem.Addr(addr), words)
	if err != nil || words == 0 {
		return nil, err
	}
	if r := n % 64; r != 0 {
		s[words-1] &= 1<<r - 1
	}
	return s, nil
}
