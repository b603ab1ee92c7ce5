// Package control is what the command line and the sandbox process say to each
// other: how a sandbox is described, and the messages of its control socket.
//
//	command line                         sandbox
//	   Config (sealed memory file)  ───►   before it is sealed
//	                                ◄───   Started, or Failed
//	   Signal*                      ───►
//	                                ◄───   Stopped*
//	                                ◄───   Exited
//
// The socket is of type SOCK_SEQPACKET: a message is a packet. Either side
// that sees it end knows that the other one is gone.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/jail"
)

// The descriptors of a sandbox process, after its log on 0, 1 and 2.
const (
	FDControl = 3 + iota // both
	FDGofer
	FDConfig // closed once it was read
	FDStdin  // the guest's standard streams, sentry only
	FDStdout
	FDStderr
	SentryFDs                // how many a sentry starts with
	GoferFDs  = FDConfig + 1 // how many a gofer starts with
)

// Config describes a sandbox to its processes.
type Config struct {
	Jail jail.Confinement `json:"jail"`
	// TrapDenied makes a denied host call crash with a trace.
	TrapDenied bool `json:"trapDenied,omitempty"`
	CPUs       int  `json:"cpus"`

	// The rest is for the sentry alone.
	Spec        *specs.Spec `json:"spec,omitempty"`
	Overlay     bool        `json:"overlay,omitempty"` // writes to the root are kept in memory
	Platform    string      `json:"platform,omitempty"`
	Strace      bool        `json:"strace,omitempty"`
	Terminal    bool        `json:"terminal,omitempty"` // standard input is a terminal of the host
	MemoryTotal uint64      `json:"memoryTotal,omitempty"`
	// Roots says what the gofer serves: the root first, then each bind mount
	// of Spec, in order.
	Roots []jail.Root `json:"roots,omitempty"`
	// Umask is the one that the first process starts with.
	Umask uint32 `json:"umask"`
	// Ignored are the signals that it ignores from the start: bit n-1 is
	// signal n.
	Ignored uint64 `json:"ignored,omitempty"`
}

// Kind is what a Message says.
type Kind string

// The kinds of message.
const (
	Started Kind = "started" // the guest's first process runs
	Failed  Kind = "failed"  // it could not be started: Code, Text
	Stopped Kind = "stopped" // it was stopped by Signo
	Exited  Kind = "exited"  // it ended: Code is the exit status, 128+signal
	Signal  Kind = "signal"  // to the guest: Signo, ToTerminal
)

// Message is a packet on the control socket.
type Message struct {
	Kind  Kind   `json:"kind"`
	Code  int    `json:"code,omitempty"`
	Text  string `json:"text,omitempty"`
	Signo int    `json:"signo,omitempty"`
	// Foreground: the signal is the terminal's, for the foreground process
	// group, not for the first process.
	Foreground bool `json:"foreground,omitempty"`
}

// MaxMessage bounds a packet.
const MaxMessage = 16 << 10

// Conn is one end of a control socket.
type Conn struct{ f *os.File }

// NewConn takes over fd.
func NewConn(fd int) (*Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Conn{os.NewFile(uintptr(fd), "control")}, nil
}

// Send writes a message. A text that is too long is cut.
func (c *Conn) Send(m Message) error {
	if len(m.Text) > MaxMessage/8 {
		m.Text = m.Text[:MaxMessage/8]
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = c.f.Write(b)
	return err
}

// Receive reads a message; io.EOF when the other side is gone.
func (c *Conn) Receive() (Message, error) {
	b := make([]byte, MaxMessage)
	n, err := c.f.Read(b)
	if errors.Is(err, unix.ECONNRESET) {
		err = io.EOF
	}
	if err != nil {
		return Message{}, err
	}
	return Decode(b[:n])
}

// Decode reads a packet.
func Decode(b []byte) (Message, error) {
	var m Message
	if len(b) > MaxMessage {
		return m, fmt.Errorf("control message of %d bytes", len(b))
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("control message: %w", err)
	}
	if m.Kind == Signal && (m.Signo < 1 || m.Signo > 64) {
		return m, fmt.Errorf("control message: signal %d", m.Signo)
	}
	return m, nil
}

// Close closes it.
func (c *Conn) Close() error { return c.f.Close() }

// WriteConfig returns a sealed memory file that holds c.
func WriteConfig(c *Config) (*os.File, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("hull-config", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "config")
	if _, err := f.WriteAt(b, 0); err != nil {
		f.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal the configuration: %w", err)
	}
	return f, nil
}

// ReadConfig reads what WriteConfig wrote, from the start, and leaves f open.
func ReadConfig(f *os.File) (*Config, error) {
	c := &Config{}
	d := json.NewDecoder(io.NewSectionReader(f, 0, 64<<20))
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}
