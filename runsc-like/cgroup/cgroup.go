package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/opencontainers/cgroups"
	// Without it, the library refuses device rules.
	_ "github.com/opencontainers/cgroups/devices"
	"github.com/opencontainers/cgroups/manager"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Options is what a specification does not say.
type Options struct {
	// Systemd makes a scope of systemd, as --systemd-cgroup asks for; the
	// specification's cgroupsPath is then "slice:prefix:name".
	Systemd bool
	// Rootless lets a host refuse a cgroup to a user, as long as no limit and no
	// path is asked for.
	Rootless bool
	// Devices are rules for what hull itself opens in the container's cgroup.
	Devices []specs.LinuxDeviceCgroup
}

// State is what Open needs to find the cgroup again.
type State struct {
	Config *cgroups.Cgroup `json:"config"`
	// Paths are the directories: by controller on v1, at "" on v2.
	Paths map[string]string `json:"paths"`
	// Properties are the annotations that are for systemd.
	Properties map[string]string `json:"properties,omitempty"`
}

// Manager is the cgroup of a container. Its methods may not be called at the
// same time.
type Manager struct {
	lib   cgroups.Manager
	cfg   *cgroups.Cgroup
	props map[string]string // see State
	// refused: the host gives a rootless container no cgroup.
	refused bool
}

// New returns the cgroup of container id. It makes nothing yet.
func New(spec *specs.Spec, id string, o Options) (*Manager, error) {
	cfg, err := configure(spec, id, o)
	if err != nil {
		return nil, err
	}
	m, err := newManager(cfg, nil)
	if err == nil && o.Systemd {
		m.props = propertyAnnotations(spec.Annotations)
	}
	return m, err
}

// configure turns the specification into the library's terms.
func configure(spec *specs.Spec, id string, o Options) (*cgroups.Cgroup, error) {
	linux := spec.Linux
	if linux == nil {
		linux = &specs.Linux{}
	}
	cfg := &cgroups.Cgroup{Systemd: o.Systemd, Rootless: o.Rootless, Resources: &cgroups.Resources{}}
	if err := place(cfg, linux.CgroupsPath, id); err != nil {
		return nil, err
	}
	if o.Systemd {
		var err error
		if cfg.SystemdProps, err = properties(spec.Annotations); err != nil {
			return nil, err
		}
	}
	if r := linux.Resources; r != nil {
		if err := Check(r); err != nil {
			return nil, err
		}
		overlay(cfg.Resources, r)
		cfg.Resources.Devices = rules(r.Devices)
	}
	cfg.Resources.Devices = append(cfg.Resources.Devices, rules(standardDevices())...)
	cfg.Resources.Devices = append(cfg.Resources.Devices, rules(o.Devices)...)
	return cfg, nil
}

// Open returns the cgroup that s describes, which CheckState has passed.
func Open(s State) (*Manager, error) {
	cfg := *s.Config
	res := cgroups.Resources{}
	if cfg.Resources != nil {
		res = *cfg.Resources
	}
	cfg.Resources = &res
	var err error
	if cfg.SystemdProps, err = properties(s.Properties); err != nil {
		return nil, err
	}
	m, err := newManager(&cfg, maps.Clone(s.Paths))
	if err == nil {
		m.props = s.Properties
	}
	return m, err
}

func newManager(cfg *cgroups.Cgroup, paths map[string]string) (*Manager, error) {
	lib, err := manager.NewWithPaths(cfg, paths)
	if errors.Is(err, cgroups.ErrV1NoUnified) {
		return nil, fieldf("linux.resources.unified", "this host has cgroup v1, and such entries are of v2")
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return &Manager{lib: lib, cfg: cfg}, nil
}

// State returns what Open needs.
func (m *Manager) State() State {
	return State{Config: m.cfg, Paths: maps.Clone(m.lib.GetPaths()), Properties: m.props}
}

// Paths returns the directories: by controller on v1, at "" on v2.
func (m *Manager) Paths() map[string]string { return maps.Clone(m.lib.GetPaths()) }

// Exists reports whether there is a cgroup.
func (m *Manager) Exists() bool { return m.lib.Exists() }

// Apply makes the cgroup, moves the processes into it and sets the limits of the
// specification. One that has processes already, or that is frozen, is
// somebody else's, and an error.
func (m *Manager) Apply(pids ...int) error {
	if err := m.unused(); err != nil {
		return err
	}
	first := -1
	if len(pids) > 0 {
		first, pids = pids[0], pids[1:]
	}
	if err := m.make(first); err != nil {
		return err
	}
	for _, pid := range pids {
		if err := m.Add(pid); err != nil {
			return err
		}
	}
	return m.Limit()
}

// unused says if the cgroup is in use.
func (m *Manager) unused() error {
	if !m.Exists() {
		return nil
	}
	pids, err := m.Pids()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return fmt.Errorf("cgroup: the container's is not empty: it has %d processes", len(pids))
	}
	frozen, err := m.Frozen()
	if err != nil {
		return err
	}
	if frozen {
		return errors.New("cgroup: the container's is frozen already")
	}
	return nil
}

// Add moves one more process into the cgroup.
func (m *Manager) Add(pid int) error {
	if m.refused && len(m.lib.GetPaths()) == 0 {
		return nil
	}
	err := m.addPid(pid)
	if errors.Is(err, cgroups.ErrRootless) || m.refused && err != nil {
		return nil
	}
	return explain(fmt.Sprintf("move process %d into the cgroup", pid), err, moving)
}

// addPid is the library's AddPid, but that a tree of v2 beside v1's may refuse a
// user's process. It bounds nothing, and who was given directories of it, but not the
// one above, can move nothing there from outside; v1 has no such rule.
func (m *Manager) addPid(pid int) error {
	paths := m.lib.GetPaths()
	if !m.cfg.Rootless || m.cfg.Systemd || len(paths) < 2 || paths[""] == "" {
		return m.lib.AddPid("", pid)
	}
	var refused error
	for name, dir := range paths {
		err := cgroups.WriteCgroupProc(dir, pid)
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrPermission):
			return err
		case m.cfg.Path == "":
			refused = cgroups.ErrRootless
		case name != "":
			return err
		}
	}
	return refused
}

// AddThread is Add for a process of one thread, which v1 moves at once: see Within.
func (m *Manager) AddThread(pid int) error {
	if m.cfg.Rootless || m.cfg.Systemd {
		return m.Add(pid)
	}
	unified := false
	for name, dir := range m.lib.GetPaths() {
		switch {
		case dir == "":
		case name == "":
			unified = isCgroup(dir, unix.CGROUP2_SUPER_MAGIC)
		case isCgroup(dir, unix.CGROUP_SUPER_MAGIC):
			if err := enter(dir, "tasks", pid); err != nil {
				return err
			}
		}
	}
	if unified {
		return enter(m.lib.GetPaths()[""], "cgroup.procs", pid)
	}
	return nil
}

// Update changes the limits that r gives and leaves the others as they are. So it
// does the rules for devices, which callers pass that pass all they have.
func (m *Manager) Update(r *specs.LinuxResources) error {
	if err := Check(r); err != nil {
		return err
	}
	old := m.cfg.Resources
	res := *old
	res.Unified = maps.Clone(old.Unified)
	res.Rdma = maps.Clone(old.Rdma)
	// What the container may do is in its cgroup, and stays so.
	res.SkipDevices, res.Freezer = true, cgroups.Undefined
	overlay(&res, r)
	if err := m.set(&res); err != nil {
		// What could be set of it is taken back.
		back := *old
		back.SkipDevices, back.Freezer = true, cgroups.Undefined
		return errors.Join(err, m.lib.Set(&back))
	}
	res.SkipDevices, res.Freezer = old.SkipDevices, old.Freezer
	m.cfg.Resources = &res
	return nil
}

func (m *Manager) set(r *cgroups.Resources) error {
	err := m.lib.Set(r)
	if errors.Is(err, cgroups.ErrV1NoUnified) {
		return fieldf("linux.resources.unified", "this host has cgroup v1, and such entries are of v2")
	}
	return explain("set the limits of the cgroup", err, limiting)
}

// Freeze stops every process of the cgroup where it is, the sentry included.
func (m *Manager) Freeze() error {
	return explain("freeze the cgroup", m.lib.Freeze(cgroups.Frozen), freezing)
}

// Thaw is the end of Freeze.
func (m *Manager) Thaw() error {
	return explain("thaw the cgroup", m.lib.Freeze(cgroups.Thawed), freezing)
}

// Frozen reports whether the cgroup is frozen. One that is not there is not.
func (m *Manager) Frozen() (bool, error) {
	s, err := m.lib.GetFreezerState()
	if err != nil {
		return false, fmt.Errorf("cgroup: freezer: %w", err)
	}
	return s == cgroups.Frozen, nil
}

// OOMKills is how many processes the host's kernel killed in it for want of
// memory.
func (m *Manager) OOMKills() (uint64, error) { return m.lib.OOMKillCount() }
