package kernel

import (
	"errors"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/auth"
	"hull/sentry/loader"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// ExecArgs is execveat(2) with everything copied in.
type ExecArgs struct {
	At   vfs.At
	Argv []string
	Envp []string
	// Name is what the new program sees as its own (AT_EXECFN): the path, or
	// /dev/fd/N/path.
	Name string
	// Cloexec says that Name leads through a descriptor that exec closes: a
	// script's interpreter could not open it (ENOENT).
	Cloexec bool
}

// maxInterpreters is how many #! lines may follow each other.
const maxInterpreters = 5

// program is what exec found: the file to load, and the words to give it.
type program struct {
	file *vfs.File // of the program itself, with a reference
	argv []string
	name string
}

// Exec is execve(2): on return the task is another program. Until the point of
// no return an error leaves everything as it was; after it the task dies.
func (t *Task) Exec(a ExecArgs) error {
	p, err := t.findProgram(a)
	if err != nil {
		return err
	}
	defer p.file.DecRef(t)
	cred, secure, err := t.execCred(p.file)
	if err != nil {
		return err
	}
	stack := t.group.limits.Get(unix.RLIMIT_STACK).Cur
	space, err := t.group.container.newSpace(t.has.personality, stack)
	if err != nil {
		return err
	}
	res, err := loader.Load(loader.Request{
		MM: space, File: execImage{t, p.file}, Open: t.openInterpreter, VDSO: t.k.cfg.VDSO,
		Argv: p.argv, Envp: a.Envp, Name: p.name, Cred: cred, Secure: secure, StackLimit: stack,
		Limits: t.MMLimits(),
	})
	if err != nil {
		space.DecUsers()
		return t.loadError(err)
	}
	if err := t.deThread(); err != nil {
		space.DecUsers()
		return err
	}
	t.commitExec(a, space, cred, secure, res)
	if h, ok := space.Host().(platform.Titler); ok {
		h.Title(t.Comm(), words(p.argv), false)
	}
	return nil
}

// words is a command line as /proc/PID/cmdline has it, no longer than a page.
func words(argv []string) []byte {
	var b []byte
	for _, w := range argv {
		if len(b) >= usermem.PageSize {
			break
		}
		b = append(append(b, w[:min(len(w), usermem.PageSize)]...), 0)
	}
	return b
}

// commitExec makes the task the program that was loaded.
func (t *Task) commitExec(a ExecArgs, space *mm.AddressSpace, cred *auth.Cred, secure bool, res loader.Result) {
	t.exitRobustList()
	t.own.clearTID = 0
	if old := t.has.mm; old != nil {
		t.notePeak(old)
		t.has.Lock()
		t.has.mm = space
		t.has.Unlock()
		old.DecUsers()
	} else {
		t.has.mm = space
	}
	if t.vfork != nil {
		t.vfork.fire()
	}
	t.setFiles(t.has.files.Fork()) // exec unshares the table
	t.has.files.CloseOnExec(t)
	t.group.execSignals()
	t.sig.exec()
	t.SetCred(cred)
	t.SetComm(path.Base(a.commName()))
	info := space.Info()
	info.Dumpable = 1
	if secure {
		info.Dumpable = 0
	}
	space.SetInfo(info)
	t.k.tasks.Lock()
	t.group.didExec = true
	if t.group.exitSignal != 0 {
		t.group.exitSignal = int32(unix.SIGCHLD)
	}
	if secure {
		t.pdeath = 0
	}
	t.k.tasks.Unlock()
	t.own.restart = nil
	t.own.arch = arch.NewContext(uint64(res.Entry), uint64(res.SP))
}

func (a *ExecArgs) commName() string {
	if a.At.Name == "" {
		return a.Name
	}
	return a.At.Name
}

// findProgram opens what a names and follows #! lines.
func (t *Task) findProgram(a ExecArgs) (program, error) {
	f, err := vfs.Open(t, a.At, vfs.OpenHow{Flags: unix.O_RDONLY, Exec: true})
	if err != nil {
		return program{}, err
	}
	p := program{file: f, argv: a.Argv, name: a.Name}
	for depth := 0; ; depth++ {
		interp, arg, ok, err := loader.Script(execImage{t, p.file})
		if err != nil {
			p.file.DecRef(t)
			return p, t.loadError(err)
		}
		if !ok {
			return p, nil
		}
		if depth == maxInterpreters {
			p.file.DecRef(t)
			return program{}, unix.ELOOP
		}
		if a.Cloexec {
			p.file.DecRef(t)
			return program{}, unix.ENOENT
		}
		words := []string{interp}
		if arg != "" {
			words = append(words, arg)
		}
		words = append(words, p.name)
		if len(p.argv) > 1 {
			words = append(words, p.argv[1:]...)
		}
		next, err := vfs.Open(t, vfs.At{FS: t.has.fs, Name: interp, Follow: true}, vfs.OpenHow{Flags: unix.O_RDONLY, Exec: true})
		p.file.DecRef(t)
		if err != nil {
			return program{}, err
		}
		p.file, p.argv, p.name = next, words, interp
	}
}

// loadError is the errno of a loader's error, whose reason is noted.
func (t *Task) loadError(err error) error {
	var le *loader.Error
	if errors.As(err, &le) {
		t.Note(le.Why)
		return le.Errno
	}
	return err
}

// openInterpreter opens the dynamic linker that an ELF file names.
func (t *Task) openInterpreter(name string) (loader.Image, func(), error) {
	f, err := vfs.Open(t, vfs.At{FS: t.has.fs, Name: name, Follow: true}, vfs.OpenHow{Flags: unix.O_RDONLY, Exec: true})
	if err != nil {
		return nil, nil, err
	}
	return execImage{t, f}, func() { f.AllowWriters(); f.DecRef(t) }, nil
}

// execImage is a file as the loader sees it.
type execImage struct {
	t *Task
	f *vfs.File
}

// ReadAt implements loader.Image.
func (i execImage) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := i.f.Impl().Read(i.t, i.f, usermem.BytesBuffer(p[done:]), off+int64(done))
		if err != nil || n == 0 {
			return done, err
		}
		done += int(n)
	}
	return done, nil
}

// Map implements loader.Image.
func (i execImage) Map(o *mm.MapOpts) (err error) {
	o.File, err = i.f.Map(i.t, o)
	if err == unix.ENODEV {
		return unix.ENOEXEC
	}
	return err
}

// Named implements loader.Image.
func (i execImage) Named() mm.Named { return i.f.Named() }

// deThread ends all other threads of the process and makes the caller its
// leader. It fails if the process is ending, or another thread got here first.
func (t *Task) deThread() error {
	tg, k := t.group, t.k
	k.tasks.Lock()
	if tg.exiting || tg.execing != nil {
		k.tasks.Unlock()
		return unix.EAGAIN
	}
	if len(tg.tasks) > 1 || tg.leader != t {
		tg.execing = t
		for _, o := range tg.tasks {
			if o != t {
				o.kill()
			}
		}
		for len(tg.tasks) > 1 {
			k.tasks.Unlock()
			t.sleeper.sleep(time.Time{})
			k.tasks.Lock()
			if tg.exiting {
				tg.execing = nil
				k.tasks.Unlock()
				return unix.EINTR
			}
		}
		tg.execing = nil
		if tg.leader != t {
			t.takeLeadership()
		}
	}
	k.tasks.Unlock()
	if t.group.sig.unshare() {
		t.token() // tokens that came meanwhile may have been for signals
	}
	return nil
}

// takeLeadership gives t the numbers of its group's exited leader.
func (t *Task) takeLeadership() {
	old := t.group.leader
	t.leave()
	old.leave()
	t.tids, old.tids = old.tids, t.tids
	t.group.ends.Notify(ended)
	t.enter()
	t.group.leader = t
}

// MMLimits are the limits that mapping calls of this task obey.
func (t *Task) MMLimits() mm.Limits {
	l := t.group.limits
	return mm.Limits{
		AS: l.Get(unix.RLIMIT_AS).Cur, Data: l.Get(unix.RLIMIT_DATA).Cur, Stack: l.Get(unix.RLIMIT_STACK).Cur,
		MemLock: l.Get(unix.RLIMIT_MEMLOCK).Cur, Unlimited: t.has.cred.HasCap(unix.CAP_IPC_LOCK),
		Machine: t.k.cfg.MemoryTotal,
	}
}

// lookPath finds name in the directories of PATH: for what stands for a process
// outside as execvp(3) does; else as a container's runtime, to which an environment
// without PATH has no directories, and what may not be executed is not found.
func (t *Task) lookPath(name string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	list, denied := "", unix.ENOENT
	if t.group.direct {
		list, denied = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", unix.EACCES
	}
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			list = v
		}
	}
	found := unix.ENOENT
	if list == "" && !t.group.direct {
		return "", found
	}
	for _, d := range strings.Split(list, ":") {
		full := path.Join(d, name)
		if d == "" {
			full = "./" + name
		}
		p, err := vfs.Walk(t, vfs.At{FS: t.has.fs, Name: full, Follow: true})
		if err != nil {
			if err == unix.EACCES {
				found = denied
			}
			continue
		}
		err = vfs.Access(t, p, vfs.MayExec, false)
		dir := p.Inode().Type == unix.S_IFDIR
		p.DecRef()
		if err == nil && !dir {
			return full, nil
		}
		found = denied
	}
	return "", found
}
