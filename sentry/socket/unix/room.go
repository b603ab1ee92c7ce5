package unix

import "hull/sentry/wait"

// Who sends a datagram to a socket whose queue is full of others' waits for its
// room (Linux's peer_wait): the packets that are taken out are not his, so their
// senders' queues do not tell him. So does who connects to a full backlog. Who waits for whom is known at both ends, as
// either may close first.
//
// Sender: full (known at both ends) → EAGAIN → asleep → wake → tries again.

// rooms is a socket's part, guarded by Flight.room.
type rooms struct {
	senders map[*Sock]struct{} // those that wait for room here
	waits   map[*Sock]struct{} // those whose room this one waits for
	gone    bool               // closed: waits for nobody, and nobody for it
}

// full reports whether no more datagrams of from fit. If so, from's queue is
// notified when that changes.
func (s *Sock) full(from *Sock) bool {
	if !s.fullNow(from) {
		return false
	}
	s.await(from)
	return s.fullNow(from) // what is taken out from here on wakes from
}

// await has from's queue notified when there is room in s. Who called it looks
// again before he sleeps.
func (s *Sock) await(from *Sock) {
	room := &s.ns.flight.room
	room.Lock()
	defer room.Unlock()
	if !s.rooms.gone && !from.rooms.gone {
		if s.rooms.senders == nil {
			s.rooms.senders = map[*Sock]struct{}{}
		}
		if from.rooms.waits == nil {
			from.rooms.waits = map[*Sock]struct{}{}
		}
		s.rooms.senders[from] = struct{}{}
		from.rooms.waits[s] = struct{}{}
		s.awaited.Store(true)
	}
}

func (s *Sock) fullNow(from *Sock) bool {
	s.st.Lock()
	defer s.st.Unlock()
	return len(s.st.in) > maxQueued && s.st.peer != from && !s.st.shutRd
}

// wake tells those who wait for room in s to try again.
func (s *Sock) wake(gone bool) {
	room := &s.ns.flight.room
	room.Lock()
	senders := s.rooms.senders
	s.rooms.senders = nil
	s.awaited.Store(false)
	for f := range senders {
		delete(f.rooms.waits, s)
	}
	if gone {
		for d := range s.rooms.waits {
			delete(d.rooms.senders, s)
		}
		s.rooms.waits, s.rooms.gone = nil, true
	}
	room.Unlock()
	for f := range senders {
		f.queue.Notify(wait.Writable)
	}
}
