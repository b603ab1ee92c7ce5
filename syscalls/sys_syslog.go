package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/klog"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// What syslog(2) is asked: SYSLOG_ACTION_*.
const (
	syslogClose        = 0
	syslogOpen         = 1
	syslogRead         = 2
	syslogReadAll      = 3
	syslogReadClear    = 4
	syslogClear        = 5
	syslogConsoleOff   = 6
	syslogConsoleOn    = 7
	syslogConsoleLevel = 8
	syslogSizeUnread   = 9
	syslogSizeBuffer   = 10
)

// syslog is syslog(2): the guest kernel's log, not the host's. There is no console
// that a level would be about.
func syslog(t *kernel.Task, a arch.Args) (uintptr, error) {
	what := a[0].Int()
	if what < syslogClose || what > syslogSizeBuffer {
		return 0, unix.EINVAL
	}
	if what != syslogReadAll && what != syslogSizeBuffer && !t.Cred().HasCap(unix.CAP_SYSLOG) {
		return 0, unix.EPERM
	}
	log := t.Kernel().Messages()
	switch what {
	case syslogRead, syslogReadAll, syslogReadClear:
		return syslogText(t, log, what, usermem.Addr(a[1]), int(a[2].Int()))
	case syslogClear:
		log.Clear()
	case syslogConsoleLevel:
		if n := a[2].Int(); n < 1 || n > 8 {
			return 0, unix.EINVAL
		}
	case syslogSizeUnread:
		return uintptr(log.Unread()), nil
	case syslogSizeBuffer:
		return klog.Size, nil
	}
	return 0, nil
}

// syslogText copies lines out to n bytes at addr.
func syslogText(t *kernel.Task, log *klog.Log, what int32, addr usermem.Addr, n int) (uintptr, error) {
	if addr == 0 || n < 0 {
		return 0, unix.EINVAL
	}
	if n == 0 {
		return 0, nil
	}
	var text string
	if what == syslogRead {
		err := current.Retry(t, messages{log}, wait.In, time.Time{}, func() error {
			if text = log.Next(n); text == "" && log.Unread() == 0 {
				return unix.EAGAIN
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	} else {
		text = log.All(n, what == syslogReadClear)
	}
	k, err := t.Mem().CopyOut(addr, []byte(text))
	return uintptr(k), err
}

// messages is a log as something that can be waited for.
type messages struct{ *klog.Log }

// Readiness implements wait.Waitable.
func (m messages) Readiness(mask wait.Mask) wait.Mask {
	if m.Unread() > 0 {
		return mask & (wait.In | wait.RdNrm)
	}
	return 0
}

// Register implements wait.Waitable.
func (m messages) Register(e *wait.Entry, mask wait.Mask) { m.Queue.Register(e, mask) }

// Unregister implements wait.Waitable.
func (m messages) Unregister(e *wait.Entry) { m.Queue.Unregister(e) }
