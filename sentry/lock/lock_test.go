package lock

import "testing"

func TestMutexExcludes(t *testing.T) {
	var m Mutex[Inode]
	n := 0
	done := make(chan struct{})
	for range 2 {
		go func() {
			for range 1000 {
				m.Lock()
				n++
				m.Unlock()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	if n != 2000 {
		t.Fatalf("n = %d, want 2000", n)
	}
	if !m.TryLock() || m.TryLock() {
		t.Fatal("TryLock must succeed once on a free mutex and not twice")
	}
	m.Unlock()
}
