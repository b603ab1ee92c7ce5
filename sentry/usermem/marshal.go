package usermem

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hostOrder is the byte order of the guest, which is the host's.
var hostOrder = binary.LittleEndian

// Plain is satisfied by fixed-layout values without pointers or implicit
// padding: the wire structs of sentry/abi and x/sys/unix. The compiler cannot
// check that; abi's tests do for the types that are used here.
type Plain interface{ any }

// In copies a value of type T in from addr.
func In[T Plain](io IO, addr Addr) (T, error) {
	var v T
	_, err := io.CopyIn(addr, unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)))
	return v, err
}

// Out copies *v out to addr.
func Out[T Plain](io IO, addr Addr, v *T) error {
	_, err := io.CopyOut(addr, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	return err
}

// InSlice copies n values of type T in from addr. The caller has bounded n.
func InSlice[T Plain](io IO, addr Addr, n int) ([]T, error) {
	if n == 0 {
		return nil, nil
	}
	s := make([]T, n)
	return s, Fill(io, addr, s)
}

// Fill copies in from addr as many values as s has.
func Fill[T Plain](io IO, addr Addr, s []T) error {
	if len(s) == 0 {
		return nil
	}
	_, err := io.CopyIn(addr, unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(len(s))*unsafe.Sizeof(s[0])))
	return err
}

// OutSlice copies all of s out to addr.
func OutSlice[T Plain](io IO, addr Addr, s []T) error {
	if len(s) == 0 {
		return nil
	}
	_, err := io.CopyOut(addr, unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), uintptr(len(s))*unsafe.Sizeof(s[0])))
	return err
}

// BytesOf returns *v's own bytes.
func BytesOf[T Plain](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// CString copies a NUL-terminated string in, without its NUL. If none is found
// in the first max bytes the error is ENAMETOOLONG.
func CString(io IO, addr Addr, max int) (string, error) {
	var buf [256]byte
	var out []byte
	for len(out) < max {
		// Up to a page's end at a time: what lies behind may be unmapped.
		n := min(len(buf), max-len(out), int(PageSize-uint64(addr)%PageSize))
		m, err := io.CopyIn(addr, buf[:n])
		if i := bytes.IndexByte(buf[:m], 0); i >= 0 {
			return string(append(out, buf[:i]...)), nil
		}
		if err != nil {
			return "", err
		}
		out = append(out, buf[:n]...)
		addr += Addr(n)
	}
	return "", unix.ENAMETOOLONG
}

// Iovecs copies in a struct iovec array and checks it as readv(2) does:
// EINVAL for more than MaxIovecs or a length that is negative as ssize_t,
// EFAULT for memory that cannot be a user's.
func Iovecs(io IO, addr Addr, n int) ([]Range, error) {
	if n < 0 || n > MaxIovecs {
		return nil, unix.EINVAL
	}
	type iovec struct{ base, len uint64 }
	vs, err := InSlice[iovec](io, addr, n)
	if err != nil {
		return nil, err
	}
	rs := make([]Range, 0, n)
	var total uint64
	for _, v := range vs {
		if int64(v.len) < 0 {
			return nil, unix.EINVAL
		}
		v.len = min(v.len, MaxRW-total)
		total += v.len
		end, ok := Addr(v.base).Add(v.len)
		if !ok {
			return nil, unix.EFAULT
		}
		rs = append(rs, Range{Addr(v.base), end})
	}
	return rs, nil
}
