// Package dnsrelay carries queries of the name service between a guest and a server
// on the loopback interface of a namespace of the host: docker's, which listens at
// 127.0.0.11 in a container's namespace, where hull's guest is not.
//
//	guest's program → Guest (in the sentry) ── socket pair ── Serve (a process in the namespace) → server
//
// What crosses is whole messages (RFC 1035), whichever transport they came by:
//
//	0   transport (1): 'u' or 't'
//	1   number of the query (8)
//	9   the server's address (4)
//	13  the message
//
// The process asks only the servers that it was told of. It has a jail like that of
// the network proxy.
package dnsrelay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	headerSize = 13
	maxMessage = 65535
	maxQueries = 256 // at a time
	dnsPort    = 53
	patience   = 5 * time.Second // of one query
)

// Open returns the two ends of a socket pair for Serve and Guest.
func Open() (fds [2]int, err error) {
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fds, fmt.Errorf("socketpair: %w", err)
	}
	return fds, nil
}

// end is one end of the pair.
type end struct {
	f    *os.File
	send sync.Mutex // one message at a time
}

// newEnd takes over fd.
func newEnd(fd int) (*end, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &end{f: os.NewFile(uintptr(fd), "resolver")}, nil
}

// message is what crosses.
type message struct {
	transport byte
	id        uint64
	server    netip.Addr
	body      []byte
}

func (e *end) write(m message) error {
	if len(m.body) > maxMessage {
		return unix.EMSGSIZE
	}
	b := make([]byte, headerSize, headerSize+len(m.body))
	b[0] = m.transport
	binary.BigEndian.PutUint64(b[1:], m.id)
	a := m.server.As4()
	copy(b[9:], a[:])
	e.send.Lock()
	defer e.send.Unlock()
	_, err := e.f.Write(append(b, m.body...))
	return err
}

// read reads a message; buf is for it and has room for one.
func (e *end) read(buf []byte) (message, error) {
	n, err := e.f.Read(buf)
	if err != nil {
		return message{}, err
	}
	if n < headerSize || buf[0] != 'u' && buf[0] != 't' {
		return message{}, errors.New("resolver: a message that is none")
	}
	return message{
		buf[0], binary.BigEndian.Uint64(buf[1:]), netip.AddrFrom4([4]byte(buf[9:13])), slices.Clone(buf[headerSize:n]),
	}, nil
}

// Serve answers what comes over fd, which it takes over, by asking servers, until
// the other end is closed.
func Serve(fd int, servers []netip.Addr) error {
	e, err := newEnd(fd)
	if err != nil {
		return err
	}
	defer e.f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slots := make(chan struct{}, maxQueries)
	buf := make([]byte, headerSize+maxMessage)
	for {
		m, err := e.read(buf)
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		if !slices.Contains(servers, m.server) {
			continue
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			if m.body = ask(ctx, m); m.body != nil {
				_ = e.write(m) // who is gone needs no answer
			}
		}()
	}
}

// ask asks a server; nil is no answer.
func ask(ctx context.Context, m message) []byte {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	d.SetMultipathTCP(false)
	to := netip.AddrPortFrom(m.server, dnsPort)
	if m.transport == 'u' {
		c, err := d.DialContext(ctx, "udp", to.String())
		if err != nil {
			return nil
		}
		defer c.Close()
		return exchange(ctx, c, m.body, false)
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil
	}
	defer c.Close()
	return exchange(ctx, c, m.body, true)
}

// exchange sends a message and returns the next one.
func exchange(ctx context.Context, c net.Conn, query []byte, stream bool) []byte {
	deadline, _ := ctx.Deadline()
	if c.SetDeadline(deadline) != nil {
		return nil
	}
	if stream {
		if WriteTCP(c, query) != nil {
			return nil
		}
		answer, err := ReadTCP(c)
		if err != nil {
			return nil
		}
		return answer
	}
	if _, err := c.Write(query); err != nil {
		return nil
	}
	b := make([]byte, maxMessage)
	n, err := c.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// ReadTCP and WriteTCP move a message over a stream, after its length (RFC 1035
// section 4.2.2).
func ReadTCP(r io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// WriteTCP is the opposite of ReadTCP.
func WriteTCP(w io.Writer, m []byte) error {
	if len(m) > maxMessage {
		return unix.EMSGSIZE
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}
