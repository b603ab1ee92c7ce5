package unix

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"hull/sentry/socket"
)

// Info is what is told of a socket, in /proc/net/unix and by sock_diag(7).
type Info struct {
	Inode     uint64
	Type      int32
	State     uint8  // SS_* of linux/net.h: 1 unconnected, 2 connecting, 3 connected
	Listening bool   // it accepts connections
	Name      string // as in sun_path: an abstract one begins with a NUL
	PathInode uint64 // of the file that it is bound to, or 0
	Peer      uint64 // the peer's inode, or 0
	RxQueue   int    // bytes to be read, or connections to be accepted
	TxQueue   int    // bytes that the peer has not read, or the backlog
	ShutRd    bool
	ShutWr    bool
	UID       uint32
}

// SetInode tells the socket the number of its descriptors' inode; from then on
// it is shown.
func (s *Sock) SetInode(ino uint64) {
	s.ino.Store(ino)
	s.ns.all.Lock()
	s.ns.all.socks[s] = struct{}{}
	s.ns.all.Unlock()
	s.ns.net.IncRef()
}

// forget takes the socket off the list.
func (s *Sock) forget() {
	s.ns.all.Lock()
	_, was := s.ns.all.socks[s]
	delete(s.ns.all.socks, s)
	s.ns.all.Unlock()
	if was {
		s.ns.net.DecRef()
	}
}

// Sockets returns the sockets that have a descriptor, by inode.
func (ns *Namespace) Sockets() []Info {
	ns.all.Lock()
	socks := make([]*Sock, 0, len(ns.all.socks))
	for s := range ns.all.socks {
		socks = append(socks, s)
	}
	ns.all.Unlock()
	infos := make([]Info, 0, len(socks))
	for _, s := range socks {
		infos = append(infos, s.info())
	}
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.Inode, b.Inode) })
	return infos
}

func (s *Sock) info() Info {
	s.st.Lock()
	defer s.st.Unlock()
	i := Info{Inode: s.ino.Load(), Type: s.typ, State: 1, ShutRd: s.st.shutRd, ShutWr: s.st.shutWr,
		RxQueue: s.st.inBytes, TxQueue: int(s.wmem.Load()), UID: s.st.own.cred.Uid}
	if a := s.st.addr; a != nil {
		i.Name = a.name
		if a.inode != nil {
			i.PathInode = a.inode.Ino
		}
	}
	switch s.st.state {
	case connected:
		i.State = 3
		if s.st.peer != nil {
			i.Peer = s.st.peer.ino.Load()
		}
	case listening:
		i.Listening = true
		i.RxQueue, i.TxQueue = len(s.st.pending), s.st.backlog
	}
	return i
}

var _ socket.View = (*Namespace)(nil)

// Names implements socket.View.
func (*Namespace) Names() []string { return []string{"unix"} }

// Show implements socket.View.
func (ns *Namespace) Show(_ string, w *bytes.Buffer) {
	const acceptCon = 1 << 16 // __SO_ACCEPTCON
	w.WriteString("Num       RefCount Protocol Flags    Type St Inode Path\n")
	for _, i := range ns.Sockets() {
		flags := 0
		if i.Listening {
			flags = acceptCon
		}
		fmt.Fprintf(w, "%016x: %08X %08X %08X %04X %02X %5d", 0, 2+i.State/3, 0, flags, i.Type, i.State, i.Inode)
		if i.Name != "" {
			name := []byte(i.Name)
			for j := range name {
				if name[j] == 0 {
					name[j] = '@'
				}
			}
			fmt.Fprintf(w, " %s", name)
		}
		w.WriteByte('\n')
	}
}
