//go:build lockcheck

package lock

import "testing"

func TestOrder(t *testing.T) {
	var d Mutex[Dentry]
	var i, i2 Mutex[Inode]
	d.Lock()
	i.Lock()
	i2.Nested()
	i2.Unlock()
	i.Unlock()
	d.Unlock()

	i.Lock()
	defer i.Unlock()
	defer func() {
		if got := recover(); got != "lock: dentry taken while holding inode" {
			t.Fatalf("recovered %v", got)
		}
	}()
	d.Lock()
}
