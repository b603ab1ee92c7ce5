package kernel

import (
	"testing"

	"golang.org/x/sys/unix"
)

func queued(signo int32, value uint64) *queuedSignal {
	return &queuedSignal{info: SignalInfo{Signo: signo, Value: value}, charged: true}
}

func TestQueueOrder(t *testing.T) {
	var q sigQueue
	quota := signalQuota{}
	for i, n := range []int32{40, 15, 40, 11, 41} {
		if !quota.charge(0, 10) {
			t.Fatal("the quota is used up")
		}
		q.push(queued(n, uint64(i)))
	}
	var got []uint64
	for n := q.set.first(); n != 0; n = q.set.first() {
		got = append(got, q.take(n, &quota).Value)
	}
	want := []uint64{3, 1, 0, 2, 4} // the fault, then the lowest; the same in order
	if len(got) != len(want) {
		t.Fatalf("took %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("took %v, want %v", got, want)
		}
	}
	if q.head != nil || q.tail != nil || quota.used(0) != 0 {
		t.Errorf("something was left behind: %+v, %d charged", q, quota.used(0))
	}
}

func TestQueueFlush(t *testing.T) {
	var q sigQueue
	var quota signalQuota
	for _, n := range []int32{18, 20, 34, 18, 34} {
		quota.charge(7, 10)
		s := queued(n, 0)
		s.uid = 7
		q.push(s)
	}
	q.flush(SetOf(unix.SIGCONT, unix.SIGTSTP), &quota)
	if q.set != bit(34) || quota.used(7) != 2 {
		t.Fatalf("set %#x, %d charged", q.set, quota.used(7))
	}
	q.take(34, &quota)
	if q.set != bit(34) {
		t.Error("the second is not pending any more")
	}
	q.take(34, &quota)
	if q.set != 0 || q.tail != nil {
		t.Error("the queue is not empty")
	}
}

func TestQuota(t *testing.T) {
	var q signalQuota
	if !q.charge(1, 1) || q.charge(1, 1) || !q.charge(2, 1) {
		t.Error("the quota of users is not each one's own")
	}
	q.drop(1)
	if !q.charge(1, 1) {
		t.Error("what was released is not free")
	}
}

func TestTimerSignalTakenBack(t *testing.T) {
	var q sigQueue
	var quota signalQuota
	tm := &posixTimer{event: TimerEvent{Signo: 34}}
	q.push(&queuedSignal{info: SignalInfo{Signo: 34, timer: tm}})
	q.push(queued(34, 5))
	q.dropTimer(tm, &quota)
	if q.set != bit(34) || q.head == nil || q.head.info.Value != 5 {
		t.Errorf("queue %+v", q)
	}
}

func TestSignalLayout(t *testing.T) {
	for _, c := range []struct {
		name string
		info SignalInfo
		off  int
		want byte
	}{
		{"kill", SignalInfo{Signo: 15, PID: 9}, 16, 9},
		{"fault", SignalInfo{Signo: 11, Code: 1, Addr: 9}, 16, 9},
		{"child", SignalInfo{Signo: 17, Code: 1, Status: 9}, 24, 9},
		{"timer", SignalInfo{Signo: 34, Code: siTimer, Overrun: 9}, 20, 9},
		{"io", SignalInfo{Signo: 29, Code: 1, FD: 9}, 24, 9},
		{"queue", SignalInfo{Signo: 34, Code: siQueue, Value: 9}, 24, 9},
		{"given", SignalInfo{Signo: 34, Given: []byte{34, 9}}, 1, 9},
	} {
		if b := c.info.Marshal(); b[c.off] != c.want || b[0] != byte(c.info.Signo) {
			t.Errorf("%s: % x", c.name, b[:48])
		}
	}
}

func TestForward(t *testing.T) {
	next := int64(100)
	if n := forward(&next, 10, 99); n != 0 || next != 100 {
		t.Errorf("early: %d, next %d", n, next)
	}
	if n := forward(&next, 10, 125); n != 3 || next != 130 {
		t.Errorf("late: %d, next %d", n, next)
	}
}
