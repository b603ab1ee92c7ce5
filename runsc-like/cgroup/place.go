package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
)

// fieldf returns an error of the specification, which names the field.
func fieldf(field, format string, args ...any) error {
	return fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
}

// place says in cfg where the cgroup is.
//
// By hand: an absolute path is one below the mount point of the hierarchy, a
// relative one is below the cgroup that the runtime is in, and without one the
// container's name is it. With systemd: "slice:prefix:name" is the unit
// prefix-name.scope in the slice.
func place(cfg *cgroups.Cgroup, path, id string) error {
	const field = "linux.cgroupsPath"
	if strings.IndexByte(path, 0) >= 0 {
		return fieldf(field, "has a zero byte")
	}
	if cfg.Systemd {
		return placeUnit(cfg, path, id)
	}
	if path == "" {
		cfg.Name = id
		return nil
	}
	// A relative path stays below where it begins.
	clean := filepath.Clean("/" + path)
	if clean == "/" {
		return fieldf(field, "%q is the root of the hierarchy, where the host's own processes are", path)
	}
	if !filepath.IsAbs(path) {
		clean = strings.TrimPrefix(clean, "/")
	}
	cfg.Path = clean
	return nil
}

func placeUnit(cfg *cgroups.Cgroup, path, id string) error {
	const field = "linux.cgroupsPath"
	cfg.Parent, cfg.ScopePrefix, cfg.Name = "system.slice", "hull", id
	if cfg.Rootless {
		cfg.Parent = "user.slice"
	}
	if path == "" {
		return nil
	}
	parts := strings.Split(path, ":")
	if len(parts) != 3 {
		return fieldf(field, "%q: with --systemd-cgroup it is SLICE:PREFIX:NAME", path)
	}
	if strings.ContainsRune(path, '/') || parts[2] == "" {
		return fieldf(field, "%q: SLICE, PREFIX and NAME are names of systemd units, without /", path)
	}
	if parts[0] != "" {
		if !strings.HasSuffix(parts[0], ".slice") {
			return fieldf(field, "%q: %s is not the name of a slice, which ends in .slice", path, parts[0])
		}
		cfg.Parent = parts[0]
	}
	cfg.ScopePrefix, cfg.Name = parts[1], parts[2]
	return nil
}
