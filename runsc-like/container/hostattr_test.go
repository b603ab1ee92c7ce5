package container

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Who lacks the capability to protect a process from the host's killer is told
// which one, and of which field it is.
func TestOOMScoreNamesCapability(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: its capabilities are no others' then
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&hdr, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		caps[unix.CAP_SYS_RESOURCE/32].Effective &^= 1 << (unix.CAP_SYS_RESOURCE % 32)
		if err := unix.Capset(&hdr, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		least := -1000
		err := setOOMScore(&least, false, os.Getpid())
		if err == nil || !strings.Contains(err.Error(), "process.oomScoreAdj: ") || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE") {
			t.Errorf("%v", err)
		}
		if err := setOOMScore(&least, true, os.Getpid()); err != nil {
			t.Errorf("rootless: %v", err)
		}
	}()
	<-done
}
