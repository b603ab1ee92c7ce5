package mqueue

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current"
	"hull/sentry/current/currenttest"
	"hull/sentry/ipc"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func newFS() *FS { return New(ipc.NewQueueLimits(), NewBudget(), 1) }

// queue makes a queue, which the test gives up at its end, and checks that
// nothing is left of it.
func queue(t *testing.T, fs *FS, messages, size int64) *Queue {
	t.Helper()
	task := currenttest.New(0)
	i, err := fs.Open(task, t.Name(), OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Mode: 0o600, Attr: &Attr{MaxMessages: messages, MessageSize: size}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fs.Unlink(task, t.Name()); err != nil {
			t.Error(err)
		}
		i.DecRef()
		checkEmpty(t, fs)
	})
	return i.Impl.(*Queue)
}

// checkEmpty checks that nothing is left of queues.
func checkEmpty(t *testing.T, fs *FS) {
	t.Helper()
	if n := fs.all.held.Load(); n != 0 {
		t.Errorf("%d bytes of messages are left", n)
	}
	if len(fs.all.users.bytes) != 0 || fs.queues.Load() != 0 {
		t.Errorf("%d queues are left, and charges of %v", fs.queues.Load(), fs.all.users.bytes)
	}
}

// A namespace that ends takes its queues along, but for one that is open.
func TestEnd(t *testing.T) {
	fs, task := newFS(), currenttest.New(0)
	other := New(ipc.NewQueueLimits(), fs.all, 2)
	var open *vfs.Inode
	for _, name := range []string{"a", "b"} {
		i, err := fs.Open(task, name, OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Mode: 0o600})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Open(task, name, OpenHow{Flags: unix.O_RDWR}); err != unix.ENOENT {
			t.Errorf("%s in another namespace: %v", name, err)
		}
		if err := send(i.Impl.(*Queue), task, "message", 1, true, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if open != nil {
			open.DecRef()
		}
		open = i
	}
	fs.VFS().DecRef()
	if n := fs.queues.Load(); n != 1 {
		t.Errorf("%d queues, one is open", n)
	}
	open.DecRef()
	checkEmpty(t, fs)
}

func send(q *Queue, t current.Task, text string, priority uint32, nonblock bool, deadline time.Time) error {
	m, err := q.Load(usermem.Bytes(text), 0, uint64(len(text)), priority)
	if err != nil {
		return err
	}
	return q.Send(t, m, nonblock, deadline)
}

func TestOrder(t *testing.T) {
	q, task := queue(t, newFS(), 8, 8), currenttest.New(0)
	for _, m := range []struct {
		text     string
		priority uint32
	}{{"a", 1}, {"b", 5}, {"c", 1}, {"d", 5}, {"e", 0}, {"", 32767}} {
		if err := send(q, task, m.text, m.priority, true, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for range 6 {
		m, err := q.Receive(task, true, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		got += string(m.Data)
	}
	if got != "bdace" {
		t.Errorf("received %q, want bdace", got)
	}
	if _, err := q.Receive(task, true, time.Time{}); err != unix.EAGAIN {
		t.Errorf("receive from an empty queue: %v", err)
	}
	if err := send(q, task, "too long.", 0, true, time.Time{}); err != unix.EMSGSIZE {
		t.Errorf("send of what is too long: %v", err)
	}
}

func TestWaiting(t *testing.T) {
	q, task := queue(t, newFS(), 1, 8), currenttest.New(0)
	soon := time.Now().Add(time.Millisecond)
	if _, err := q.Receive(task, false, soon); err != unix.ETIMEDOUT {
		t.Errorf("receive: %v", err)
	}
	if err := send(q, task, "one", 0, false, soon); err != nil {
		t.Errorf("send: %v", err)
	}
	if err := send(q, task, "two", 0, false, soon); err != unix.ETIMEDOUT {
		t.Errorf("send to a full queue: %v", err)
	}
	killed := currenttest.New(0)
	killed.Interrupt()
	if err := send(q, killed, "two", 0, false, time.Time{}); err != abi.ERESTARTSYS {
		t.Errorf("send that is interrupted: %v", err)
	}
	sent := make(chan error)
	go func() { sent <- send(q, currenttest.New(0), "three", 9, false, time.Time{}) }()
	for waiting := 0; waiting == 0; time.Sleep(time.Millisecond) {
		q.mu.Lock()
		waiting = len(q.mu.senders)
		q.mu.Unlock()
	}
	for _, want := range []string{"one", "three"} {
		m, err := q.Receive(task, true, time.Time{})
		if err != nil || string(m.Data) != want {
			t.Errorf("received %q, %v, want %q", m.Data, err, want)
		}
	}
	if err := <-sent; err != nil {
		t.Errorf("send that waited: %v", err)
	}
	if len(q.mu.senders)+len(q.mu.receivers) != 0 {
		t.Error("waiters are left")
	}
}

// Messages of many to many: none lost, none twice.
func TestMany(t *testing.T) {
	const workers, each = 4, 200
	q := queue(t, newFS(), 3, 8)
	got := make(chan string)
	for range workers {
		go func() {
			for range each {
				_ = send(q, currenttest.New(0), "m", 1, false, time.Time{})
			}
		}()
		go func() {
			for range each {
				m, _ := q.Receive(currenttest.New(0), false, time.Time{})
				got <- string(m.Data)
			}
		}()
	}
	for range workers * each {
		select {
		case m := <-got:
			if m != "m" {
				t.Fatalf("received %q", m)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("messages were lost")
		}
	}
}

type told struct{ signals []int32 }

func (n *told) MessageArrived(_ current.Task, signo int32) { n.signals = append(n.signals, signo) }
func (*told) PIDFor(current.Task) int32                    { return 7 }

func TestNotify(t *testing.T) {
	q, task, n := queue(t, newFS(), 4, 8), currenttest.New(0), &told{}
	if err := q.Notify(task, Notification{Signo: 10, To: n}); err != nil {
		t.Fatal(err)
	}
	if err := q.Notify(task, Notification{Signo: 10, To: n}); err != unix.EBUSY {
		t.Errorf("a second registration: %v", err)
	}
	if got, want := q.line(task), "QSIZE:0          NOTIFY:0     SIGNO:10    NOTIFY_PID:7     \n"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	for range 2 {
		if err := send(q, task, "m", 0, true, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.signals) != 1 || n.signals[0] != 10 {
		t.Errorf("told %v, want once 10", n.signals)
	}
}

func TestLimits(t *testing.T) {
	fs, task := newFS(), currenttest.NewUser(5, 5)
	task.Rlimits = limits.NewSet()
	for _, c := range []struct {
		messages, size int64
		want           error
	}{
		{0, 1, unix.EINVAL}, {1, 0, unix.EINVAL}, {11, 1, unix.EINVAL}, {1, 8193, unix.EINVAL}, {10, 8192, nil},
	} {
		i, err := fs.Open(task, "q", OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Attr: &Attr{MaxMessages: c.messages, MessageSize: c.size}})
		if err != c.want {
			t.Errorf("%d messages of %d: %v, want %v", c.messages, c.size, err, c.want)
		}
		if err == nil {
			i.DecRef()
		}
	}
	if err := fs.limits.Queues.Set(1); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Open(task, "q2", OpenHow{Flags: unix.O_CREAT}); err != unix.ENOSPC {
		t.Errorf("a queue too many: %v", err)
	}
	if _, err := task.Rlimits.Set(unix.RLIMIT_MSGQUEUE, limits.Limit{Cur: 1000, Max: 1000}, false); err != nil {
		t.Fatal(err)
	}
	_ = fs.limits.Queues.Set(10)
	if _, err := fs.Open(task, "q2", OpenHow{Flags: unix.O_CREAT}); err != unix.EMFILE {
		t.Errorf("a queue beyond the rlimit: %v", err)
	}
	if err := fs.limits.Messages.Set(0); err != unix.EINVAL {
		t.Errorf("msg_max 0: %v", err)
	}
	if err := fs.Unlink(currenttest.NewUser(6, 6), "q"); err != unix.EPERM {
		t.Errorf("unlink of another's: %v", err)
	}
	if err := fs.Unlink(task, "q"); err != nil {
		t.Error(err)
	}
}

func TestAttrCost(t *testing.T) {
	for _, c := range []struct {
		messages, size int64
		want           uint64
		err            error
	}{
		{10, 8192, 10*8192 + 10*48 + 10*48, nil},
		{65536, 1, 65536 + 65536*48 + 32768*48, nil},
		{1 << 40, 1 << 40, 0, unix.EOVERFLOW},
	} {
		a := Attr{MaxMessages: c.messages, MessageSize: c.size}
		if got, err := a.cost(); got != c.want || err != c.err {
			t.Errorf("cost of %d by %d: %d, %v, want %d, %v", c.messages, c.size, got, err, c.want, c.err)
		}
	}
}

func TestNames(t *testing.T) {
	fs, task := newFS(), currenttest.New(0)
	d := fs.root
	for name, want := range map[string]error{"": unix.ENOENT, "/a": unix.EACCES, "..": unix.EACCES, "a": unix.ENOENT,
		string(make([]byte, 256)): unix.ENAMETOOLONG} {
		if _, err := fs.Open(task, name, OpenHow{}); err != want {
			t.Errorf("open %q: %v, want %v", name, err, want)
		}
	}
	i, err := d.Create(task, "a", vfs.NewInode{Mode: unix.S_IFREG | 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(task, "b", vfs.NewInode{Mode: unix.S_IFIFO}); err != unix.EPERM {
		t.Errorf("a FIFO: %v", err)
	}
	q := i.Impl.(*Queue)
	if !q.Valid(task, d.node, "a") || q.Valid(task, d.node, "b") {
		t.Error("a name is valid while it is there")
	}
	if err := fs.Unlink(task, "a"); err != nil || q.Valid(task, d.node, "a") {
		t.Errorf("unlink: %v", err)
	}
	if err := d.Unlink(task, "a", i); err != unix.ENOENT {
		t.Errorf("unlink of what is gone: %v", err)
	}
	i.DecRef()
}
