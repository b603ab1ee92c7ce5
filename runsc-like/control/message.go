package control

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/leanjson"
)

// Kind is what a Message says.
type Kind string

// The kinds of message. What is asked is answered by the kind in parentheses, or
// by Failed.
const (
	Go      Kind = "go"      // see Role.Hold and jail.Birth.Hold
	Created Kind = "created" // the container is made; Start will start it
	Started Kind = "started" // a process runs: PID
	Failed  Kind = "failed"  // it was not done: Code, Text
	Stopped Kind = "stopped" // the process was stopped by Signo
	Exited  Kind = "exited"  // it ended: Code is the exit status, 128+signal
	Done    Kind = "done"    // it was done

	Ask       Kind = "ask"       // what is the container doing? (Is)
	Is        Kind = "is"        // Status; Code if it is stopped
	Start     Kind = "start"     // run the first process (Started)
	Signal    Kind = "signal"    // send Signo to the process (no answer)
	Kill      Kind = "kill"      // send Signo to the first process, or to All (Done)
	Wait      Kind = "wait"      // say when the first process ends (Exited)
	Exec      Kind = "exec"      // run another process (Started, Stopped*, Exited): with descriptors
	Processes Kind = "processes" // list the processes (Process*, Done)
	Process   Kind = "process"   // one of them
	Limit     Kind = "limit"     // Resources changed (Done)
	Freeze    Kind = "freeze"    // stop all its processes where they are (Done)
	Thaw      Kind = "thaw"      // the end of Freeze (Done)
	Join      Kind = "join"      // make a further container (Place, Created): with descriptors
	Place     Kind = "place"     // put process PID, as the sandbox numbers it, into the container's cgroup (Done)
	Forget    Kind = "forget"    // take away one that Join made, killing what runs (Done)
	Forward   Kind = "forward"   // connect Port of the guest's loopback (Done): with two pipes, to and from it
	Connect   Kind = "connect"   // the guest's network, before Start, or more of it (Done): with descriptors, see Network
	Rewire    Kind = "rewire"    // what changed of it (Done): with a descriptor, see Changes
)

// What the status of a container can be (runtime.md of the OCI specification).
const (
	StatusCreating = "creating"
	StatusCreated  = "created"
	StatusRunning  = "running"
	StatusStopped  = "stopped"
)

// NoContainer begins the text of a Failed that says that the sandbox does not have
// the container.
const NoContainer = "no such container in the sandbox"

// Message is a packet on a control socket.
type Message struct {
	Kind      Kind   `json:"kind"`
	Container string `json:"container,omitempty"` // whom it is about; "" is the first one
	Code      int    `json:"code,omitempty"`
	Text      string `json:"text,omitempty"`
	Errno     int    `json:"errno,omitempty"` // why a program was not executed
	Stat      bool   `json:"stat,omitempty"`  // of Errno: what the program is could not be found out
	Signo     int    `json:"signo,omitempty"`
	PID       int    `json:"pid,omitempty"` // the guest's number
	Status    string `json:"status,omitempty"`
	Port      uint16 `json:"port,omitempty"`
	// Foreground: the signal is the terminal's, for the foreground process
	// group, not for the process.
	Foreground bool `json:"foreground,omitempty"`
	// All: the signal is for every process of the container.
	All       bool                  `json:"all,omitempty"`
	Resources *specs.LinuxResources `json:"resources,omitempty"`
	// Of a Process.
	Info *ProcessInfo `json:"info,omitempty"`
	// Of an Is.
	Frozen bool `json:"frozen,omitempty"`
	Tasks  int  `json:"tasks,omitempty"` // how many it has
}

// ProcessInfo is what ps(1) shows of a process of the guest.
type ProcessInfo struct {
	UID     uint32  `json:"uid"`
	PID     int32   `json:"pid"`
	PPID    int32   `json:"ppid"`
	Started int64   `json:"started"` // seconds since 1970
	TTY     string  `json:"tty"`
	Seconds float64 `json:"seconds"` // of processor time
	Command string  `json:"command"`
	// Process is the one on the host that runs its code, as the sandbox numbers it; 0 for none.
	Process int `json:"process,omitempty"`
}

// ExecConfig is a process to run in a container that runs already.
type ExecConfig struct {
	Container string        `json:"container,omitempty"` // as in Message
	Process   specs.Process `json:"process"`
	Hook      string        `json:"hook,omitempty"`     // the program, if it is a hook: it gets no more of an environment than it was given
	Terminal  bool          `json:"terminal,omitempty"` // its standard input is a terminal of the host
	Extra     int           `json:"extra,omitempty"`    // how many descriptors it has beside the standard streams
}

// MaxExtra bounds the descriptors that a process starts with beside its standard
// streams: what can come with a packet (SCM_MAX_FD), and some more.
const MaxExtra = 240

// The descriptors that come with an Exec, before the extra ones.
const (
	ExecConfigFD = iota // an ExecConfig, sealed
	ExecStdin
	ExecStdout
	ExecStderr
	ExecFDs // how many they are
)

// The descriptors that come with a Join, before the extra ones.
const (
	JoinConfigFD = iota // a Container, sealed
	JoinGofer           // the connection to its gofer
	JoinLife            // the conversation with who stands for it
	JoinStdin
	JoinStdout
	JoinStderr
	JoinFDs // how many they are
)

// MaxMessage bounds a packet.
const MaxMessage = 16 << 10

// Decode reads a packet.
func Decode(b []byte) (Message, error) {
	var m Message
	if len(b) > MaxMessage {
		return m, fmt.Errorf("control message of %d bytes", len(b))
	}
	if err := leanjson.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("control message: %w", err)
	}
	if (m.Kind == Signal || m.Kind == Kill) && (m.Signo < 1 || m.Signo > 64) {
		return m, fmt.Errorf("control message: signal %d", m.Signo)
	}
	return m, nil
}

// encode makes a packet. Texts that are too long are cut.
func encode(m Message) ([]byte, error) {
	const most = MaxMessage / 8 // a byte takes up to six when it is written
	if len(m.Text) > most {
		m.Text = m.Text[:most]
	}
	if m.Info != nil && len(m.Info.Command) > most {
		info := *m.Info
		info.Command = info.Command[:most]
		m.Info = &info
	}
	return leanjson.Marshal(&m)
}

// WriteExec returns a sealed memory file that holds c.
func WriteExec(c *ExecConfig) (*os.File, error) { return seal(c) }

// ReadExec reads what WriteExec wrote.
func ReadExec(f *os.File) (*ExecConfig, error) {
	c := &ExecConfig{}
	if err := unseal(f, c); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return c, nil
}
