//go:build lockcheck

package lock

import (
	"fmt"
	"runtime"
	"sync"
)

// Checking reports whether the order is checked, which costs allocations.
const Checking = true

// held maps a goroutine to the ranks that it holds, innermost last. It is the
// one package variable of the sentry, and exists in checking builds only: the
// check is about goroutines, which no kernel owns.
var held sync.Map // goroutine id → *[]int

func acquire[R Rank](nested bool) {
	var r R
	ranks := mine()
	for _, h := range *ranks {
		if h > r.rank() || h == r.rank() && !nested {
			panic(fmt.Sprintf("lock: %s taken while holding %s", r.name(), nameOf(h)))
		}
	}
	*ranks = append(*ranks, r.rank())
}

func acquired[R Rank]() {
	var r R
	ranks := mine()
	*ranks = append(*ranks, r.rank())
}

func release[R Rank]() {
	var r R
	ranks := mine()
	for i := len(*ranks) - 1; i >= 0; i-- {
		if (*ranks)[i] == r.rank() {
			*ranks = append((*ranks)[:i], (*ranks)[i+1:]...)
			break
		}
	}
	if len(*ranks) == 0 {
		held.Delete(goid())
	}
}

func mine() *[]int {
	v, _ := held.LoadOrStore(goid(), new([]int))
	return v.(*[]int)
}

// goid reads the goroutine's number off its stack trace: slow, and good enough
// for a build that exists to check.
func goid() uint64 {
	var buf [32]byte
	s := buf[:runtime.Stack(buf[:], false)]
	var id uint64
	for _, c := range s[len("goroutine "):] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + uint64(c-'0')
	}
	return id
}

func nameOf(rank int) string {
	for _, r := range []Rank{File{}, Epoll{}, Mount{}, Rename{}, Dentry{}, Inode{}, Socket{}, TTY{}, Futex{}, TaskSet{}, MMMapping{}, MMPages{}, FileMap{}, FDTable{}, TaskSignal{}, WaitQueue{}, Leaf{}} {
		if r.rank() == rank {
			return r.name()
		}
	}
	return "?"
}
