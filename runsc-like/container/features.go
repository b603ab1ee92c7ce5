package container

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"hull/runsc-like/control"
)

// Features says what of the specification is there, as callers ask for it
// (features.md of the OCI specification). version and commit are hull's.
func Features(version, commit string) *features.Features {
	yes, no := true, false
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         hookKinds(),
		MountOptions:  control.MountOptionNames(),
		Linux: &features.Linux{
			Namespaces:      []string{"cgroup", "ipc", "mount", "network", "pid", "user", "uts"},
			Capabilities:    control.Capabilities(),
			Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &yes, Rdma: &yes},
			Seccomp:         seccompFeatures(),
			Apparmor:        &features.Apparmor{Enabled: &no},
			Selinux:         &features.Selinux{Enabled: &no},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &no},
		},
		Annotations: map[string]string{
			"org.hull.version": version,
			"org.hull.commit":  commit,
			// What callers of runc look for.
			"org.opencontainers.runc.checkpoint.enabled": "false",
		},
		PotentiallyUnsafeConfigAnnotations: []string{"org.systemd.property."},
	}
}

func hookKinds() []string {
	return []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
}

// seccompFeatures: filters of the guest's own are refused yet, see checkSeccomp.
func seccompFeatures() *features.Seccomp {
	no := false
	return &features.Seccomp{Enabled: &no}
}
