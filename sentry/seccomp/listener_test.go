package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/wait"
)

const every = wait.In | wait.Out

func TestListenerLife(t *testing.T) {
	l := NewListener(false)
	l.Join()
	if _, err := l.Receive(); err != unix.EAGAIN {
		t.Errorf("receive without calls: %v", err)
	}
	c := l.Ask(nil, &Data{Nr: 39})
	if m := l.Readiness(every); m != wait.In {
		t.Errorf("readiness with a call: %#x", m)
	}
	if err := l.Answer(c.ID, Answer{}); err != unix.EINPROGRESS {
		t.Errorf("answer before receive: %v", err)
	}
	got, err := l.Receive()
	if err != nil || got != c {
		t.Fatalf("receive: %v, %v", got, err)
	}
	if m := l.Readiness(every); m != wait.Out {
		t.Errorf("readiness with a received call: %#x", m)
	}
	l.Return(c)
	if m := l.Readiness(every); m != wait.In {
		t.Errorf("readiness after Return: %#x", m)
	}
	if got, err = l.Receive(); err != nil || got != c {
		t.Fatalf("receive again: %v, %v", got, err)
	}
	if _, ok := c.Serve(); ok {
		t.Error("answered before it was")
	}
	if err := l.Answer(c.ID+1, Answer{}); err != unix.ENOENT {
		t.Errorf("answer to another: %v", err)
	}
	if err := l.Answer(c.ID, Answer{Value: 3, Errno: -2}); err != nil {
		t.Errorf("answer: %v", err)
	}
	if a, ok := c.Serve(); !ok || a.Result() != -2 {
		t.Errorf("answered: %+v, %v", a, ok)
	}
	c.Forget()
	if err := l.Valid(c.ID); err != unix.ENOENT {
		t.Errorf("valid after the end: %v", err)
	}
	l.Leave()
	if m := l.Readiness(every); m != wait.Hup {
		t.Errorf("readiness without tasks: %#x", m)
	}
	if _, err := l.Receive(); err != unix.ENOENT {
		t.Errorf("receive without tasks: %v", err)
	}
}

// A gift is given once, and to nobody when the call is forgotten first, or the
// offer is withdrawn.
func TestGifts(t *testing.T) {
	l := NewListener(false)
	given := 0
	offer := func(send bool, err error) (*Call, *Gift) {
		c := l.Ask(nil, &Data{})
		if _, err := l.Receive(); err != nil {
			t.Fatal(err)
		}
		g := &Gift{Send: send, Give: func(current.Task) (int32, error) { given++; return 9, err }}
		if err := l.Offer(c.ID, g); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Result(); err != unix.EAGAIN {
			t.Errorf("result before it is taken: %v", err)
		}
		return c, g
	}
	c, g := offer(true, nil)
	if a, ok := c.Serve(); !ok || a.Result() != 9 {
		t.Errorf("sent: %+v, %v", a, ok)
	}
	if fd, err := g.Result(); fd != 9 || err != nil {
		t.Errorf("result: %d, %v", fd, err)
	}
	c, g = offer(true, unix.EMFILE)
	if _, ok := c.Serve(); ok {
		t.Error("a gift that could not be taken answers the call")
	}
	if _, err := g.Result(); err != unix.EMFILE {
		t.Errorf("result of a failure: %v", err)
	}
	if err := l.Answer(c.ID, Answer{}); err != nil {
		t.Errorf("answer after a failure: %v", err)
	}
	_, g = offer(false, nil)
	g.call.Forget()
	if _, err := g.Result(); err != unix.ESRCH {
		t.Errorf("result after the call was forgotten: %v", err)
	}
	c, g = offer(true, nil)
	g.Withdraw()
	if _, ok := c.Serve(); ok {
		t.Error("a gift that was withdrawn answers the call")
	}
	if given != 2 {
		t.Errorf("given %d times, want 2", given)
	}
}

func TestListenerClose(t *testing.T) {
	l := NewListener(false)
	c := l.Ask(nil, &Data{})
	var none *Filter
	f, err := none.Add(only(t, 1, 0, unix.SECCOMP_RET_USER_NOTIF), false, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(only(t, 2, 0, unix.SECCOMP_RET_USER_NOTIF), false, NewListener(false)); err != unix.EBUSY {
		t.Errorf("a second listener: %v", err)
	}
	l.Close()
	if a, ok := c.Serve(); !ok || a.Result() != -int64(unix.ENOSYS) {
		t.Errorf("a call of a closed listener: %+v, %v", a, ok)
	}
	if l.Ask(nil, &Data{}) != nil {
		t.Error("a closed listener takes calls")
	}
	if _, err := f.Add(only(t, 2, 0, unix.SECCOMP_RET_USER_NOTIF), false, NewListener(false)); err != nil {
		t.Errorf("a listener after a closed one: %v", err)
	}
}
