package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The numbers of linux/fcntl.h that package unix lacks.
const (
	fSetOwnEx  = 15
	fGetOwnEx  = 16
	ownerTID   = 0
	ownerPID   = 1
	ownerPGRP  = 2
	lastSignal = 64
)

// fOwnerEx is struct f_owner_ex.
type fOwnerEx struct{ Kind, ID int32 }

// fcntlOwner is F_SETOWN and its kin: who gets SIGIO.
func fcntlOwner(t *kernel.Task, f *vfs.File, cmd int32, arg arch.Arg) (uintptr, error) {
	o := f.Ownership()
	switch cmd {
	case unix.F_GETOWN:
		if o.Kind == ownerPGRP {
			return uintptr(-o.ID), nil
		}
		return uintptr(o.ID), nil
	case unix.F_SETOWN:
		id := arg.Int()
		if id == -1<<31 {
			return 0, unix.EINVAL
		}
		if id < 0 {
			return 0, setOwner(t, f, ownerPGRP, -id)
		}
		return 0, setOwner(t, f, ownerPID, id)
	case fGetOwnEx:
		ex := fOwnerEx{o.Kind, o.ID}
		return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &ex)
	case fSetOwnEx:
		ex, err := usermem.In[fOwnerEx](t.Mem(), usermem.Addr(arg))
		if err != nil {
			return 0, err
		}
		if ex.Kind < ownerTID || ex.Kind > ownerPGRP {
			return 0, unix.EINVAL
		}
		return 0, setOwner(t, f, ex.Kind, ex.ID)
	case unix.F_GETSIG:
		return uintptr(o.Signal), nil
	default: // F_SETSIG
		if arg > lastSignal {
			return 0, unix.EINVAL
		}
		o.Signal = arg.Int()
		f.SetOwnership(o)
		return 0, nil
	}
}

// setOwner makes a task, process or process group the owner; 0 is nobody.
func setOwner(t *kernel.Task, f *vfs.File, kind, id int32) error {
	o := f.Ownership()
	o.Who, o.Kind, o.ID = nil, kind, id
	if id != 0 {
		who, err := t.IOOwner(kind, id)
		if err != nil {
			return err
		}
		o.Who = who
	}
	f.SetOwnership(o)
	return nil
}
