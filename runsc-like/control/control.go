// Package control is what the command line and the sandbox process say to each
// other: how a sandbox is described, and the messages of its control sockets.
//
//	command line                         sandbox
//	   Config (sealed memory file)  ───►   before it is sealed
//	                                ◄───   Started, or Created, or Failed
//	   Signal*                      ───►
//	                                ◄───   Stopped*
//	                                ◄───   Exited
//
// That is the first conversation, on a pair of sockets. A sandbox that outlives
// the command that made it also listens on a socket, on which later commands ask
// (message.go). Both are of type SOCK_SEQPACKET: a message is a packet. Either
// side that sees it end knows that the other one is gone.
//
// A container that joins a sandbox later has its gofer as a stand-in on the host
// (the process whose number the caller is told, and whose end it waits for):
//
//	stand-in                             sandbox
//	   Signal*                      ───►   for the container's first process
//	                                ◄───   Exited: end with this status
//
// When the stand-in goes, the container is killed; when the sandbox goes, the
// stand-in ends as if it had been.
package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/jail"
	"hull/runsc-like/leanjson"
	"hull/runsc-like/profile"
)

// The descriptors of a sandbox process, after its log on 0, 1 and 2.
const (
	FDControl = 3 + iota // both
	FDGofer
	FDConfig // closed once it was read
	FDStdin  // the guest's standard streams, sentry only
	FDStdout
	FDStderr
	FDListen                 // only with Config.Detached: new conversations
	SentryFDs = FDListen     // how many a sentry starts with, without FDListen
	GoferFDs  = FDConfig + 1 // how many a gofer starts with
	FDLink    = FDGofer      // of a network proxy: its end of the link with the guest
	ProxyFDs  = FDConfig + 1 // how many a network proxy starts with, before its sockets
)

// Role is what either process of a sandbox has to know.
type Role struct {
	// Hold makes the process wait for a Go on FDControl before it does anything that
	// outlasts it: until then its creator has written down that it exists. It has been
	// started meanwhile.
	Hold bool `json:"hold,omitempty"`
	// Detached says that the process outlives its creator, and that a sentry has
	// FDListen and ends with the exit status of the guest's first process.
	Detached bool `json:"detached,omitempty"`
	// TrapDenied makes a denied host call crash with a trace.
	TrapDenied bool `json:"trapDenied,omitempty"`
	CPUs       int  `json:"cpus"`
	// Platform is what runs guest code; for a sentry.
	Platform string `json:"platform,omitempty"`
	// HostNetwork makes a guest's sockets the host's, in the network namespace that
	// the sentry is in.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Clock is how far the guest's clocks are from the host's, in nanoseconds.
	Clock struct {
		Monotonic int64 `json:"monotonic,omitempty"`
		Boottime  int64 `json:"boottime,omitempty"`
	} `json:"clock"`
	// Serve says what a gofer serves: Container.Roots. A sentry's has none.
	Serve []jail.Root `json:"serve,omitempty"`
	// RootFDs is jail.Birth.RootFDs of a gofer.
	RootFDs int `json:"rootFDs,omitempty"`
	// StandIn says that a gofer stands for its container on the host: see
	// StandIn.
	StandIn bool `json:"standIn,omitempty"`
	// Proxy is what a network proxy does: a netproxy.Config.
	Proxy json.RawMessage `json:"proxy,omitempty"`
	// Servers are the name servers that a relay asks.
	Servers []netip.Addr `json:"servers,omitempty"`
}

// Base returns r.
func (r *Role) Base() *Role { return r }

// Config describes a sandbox to its sentry.
type Config struct {
	Role        `json:"-"` // it is written before the rest
	Strace      bool       `json:"strace,omitempty"`
	MemoryTotal uint64     `json:"memoryTotal,omitempty"`
	// UIDs and GIDs are what the guest is shown as the map of its ids.
	UIDs []specs.LinuxIDMapping `json:"uids,omitempty"`
	GIDs []specs.LinuxIDMapping `json:"gids,omitempty"`
	// Pod says that other containers will join: the first has a pid namespace of
	// its own as they have, and numbers of its own in its cgroup.
	Pod bool `json:"pod,omitempty"`
	// Await makes it wait for a Connect before it starts a process.
	Await bool `json:"await,omitempty"`
	Container
}

// Container describes a container of a sandbox.
type Container struct {
	ID       string      `json:"id,omitempty"`
	Spec     *specs.Spec `json:"spec,omitempty"`
	Direct   bool        `json:"direct,omitempty"`   // a command of the caller's, with no bundle that says what it has
	Overlay  bool        `json:"overlay,omitempty"`  // writes to the root are kept in memory
	Terminal bool        `json:"terminal,omitempty"` // standard input is a terminal of the host
	// Extra is how many descriptors the first process has beside its standard
	// streams: those after FDListen, if a sentry starts with it.
	Extra int `json:"extra,omitempty"`
	// Dirs are those of them that are directories, instead of which there is another
	// file.
	Dirs []Dir `json:"dirs,omitempty"`
	// Roots says what the gofer serves: the root first, then each bind mount of
	// Spec, in order, then those of Dirs.
	Roots []jail.Root `json:"roots,omitempty"`
	// Files are the guest's before anything runs. None of the host's is changed for it.
	Files []File `json:"files,omitempty"`
	// Seccomp is the compiled filter of Spec: it is asked about each call of the
	// container's processes.
	Seccomp *profile.Program `json:"seccomp,omitempty"`
	// Agent says that the last two descriptors are for a seccomp agent's listener: the
	// line to its helper, and the one with an owner (agent.Serve).
	Agent bool `json:"agent,omitempty"`
	// Umask is the one that the first process starts with.
	Umask uint32 `json:"umask"`
	// Ignored are the signals that it ignores from the start: bit n-1 is
	// signal n.
	Ignored uint64 `json:"ignored,omitempty"`
	// Label is what its processes find in attr/current of their directories in /proc.
	Label string `json:"label,omitempty"`
	// Share says whose namespaces it has.
	Share Share `json:"share,omitzero"`
}

// Dir is a directory among the descriptors of a first process.
type Dir struct {
	FD   int `json:"fd"`
	Root int `json:"root"` // which of Container.Roots it is
}

// AgentFDs is how many descriptors Container.Agent is about.
const AgentFDs = 2

// Share names for each kind of namespace the container of the same sandbox that
// it is shared with; "" is none. All containers of a sandbox have one network.
type Share struct {
	PID string `json:"pid,omitempty"`
	IPC string `json:"ipc,omitempty"`
	UTS string `json:"uts,omitempty"`
}

// WriteContainer returns a sealed memory file that holds c, for a Join.
func WriteContainer(c *Container) (*os.File, error) { return seal(c) }

// ReadContainer reads what WriteContainer wrote.
func ReadContainer(f *os.File) (*Container, error) {
	c := &Container{}
	if err := unseal(f, c); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// File is a file of the guest whose contents are given.
type File struct {
	Path string `json:"path"`
	Text string `json:"text"`
	// Append adds to what is there; else the file is a new one.
	Append bool `json:"append,omitempty"`
}

// WriteConfig returns a sealed memory file that holds c.
func WriteConfig(c *Config) (*os.File, error) { return seal(&c.Role, c) }

// WriteRole returns a sealed memory file that holds r alone.
func WriteRole(r *Role) (*os.File, error) { return seal(r) }

// WriteJSON returns a sealed memory file that holds v as JSON.
func WriteJSON(v any) (*os.File, error) { return seal(v) }

// seal returns a sealed memory file that holds values, one a line.
func seal(values ...any) (*os.File, error) {
	var b []byte
	for _, v := range values {
		line, err := leanjson.Marshal(v)
		if err != nil {
			return nil, err
		}
		b = append(append(b, line...), '\n')
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
	if err := unseal(f, &c.Role, c); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// ReadRole reads the Role of what WriteConfig or WriteRole wrote, from the start,
// and leaves f open. To read the rest takes several times as long.
func ReadRole(f *os.File) (*Role, error) {
	r := &Role{}
	if err := unseal(f, r); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return r, nil
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(f *os.File, v any) error { return unseal(f, v) }

// unseal reads the first of what seal wrote.
func unseal(f *os.File, values ...any) error {
	const most = 64 << 20
	rest, err := io.ReadAll(io.NewSectionReader(f, 0, most))
	if err != nil {
		return err
	}
	for _, v := range values {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		if err := leanjson.Unmarshal(line, v); err != nil {
			return err
		}
	}
	return nil
}
