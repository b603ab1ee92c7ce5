package control

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// MountOption is an option of a mount that is not its file system's own.
type MountOption struct {
	Flag  uint64 // MS_*, or 0
	Clear bool   // takes Flag away
	// NoEffect: the guest's kernel has nothing that it could change.
	NoEffect bool
	// Propagation between mounts of the host and of the guest, which there is not.
	Propagation bool
}

// What bind mounts are called, and what is done at the first mount.
const (
	OptionBind      = "bind"
	OptionRBind     = "rbind"
	OptionCopyUp    = "tmpcopyup"
	OptionIDMap     = "idmap"
	OptionRecIDMap  = "ridmap"
	nosymfollowFlag = 0x100 // MS_NOSYMFOLLOW
)

// MountOptions returns the options by name. An option with an r before it is for
// a mount and what is below; a mount of the sandbox is one mount, so it means
// the same.
func MountOptions() map[string]MountOption {
	m := map[string]MountOption{
		"ro": {Flag: unix.MS_RDONLY}, "rw": {Flag: unix.MS_RDONLY, Clear: true},
		"nosuid": {Flag: unix.MS_NOSUID}, "suid": {Flag: unix.MS_NOSUID, Clear: true},
		"nodev": {Flag: unix.MS_NODEV}, "dev": {Flag: unix.MS_NODEV, Clear: true},
		"noexec": {Flag: unix.MS_NOEXEC}, "exec": {Flag: unix.MS_NOEXEC, Clear: true},
		"noatime": {Flag: unix.MS_NOATIME}, "atime": {Flag: unix.MS_NOATIME, Clear: true},
		"nodiratime": {Flag: unix.MS_NODIRATIME}, "diratime": {Flag: unix.MS_NODIRATIME, Clear: true},
		"relatime": {Flag: unix.MS_RELATIME}, "norelatime": {Flag: unix.MS_RELATIME, Clear: true},
		"strictatime": {Flag: unix.MS_STRICTATIME}, "nostrictatime": {Flag: unix.MS_STRICTATIME, Clear: true},
		"nosymfollow": {Flag: nosymfollowFlag}, "symfollow": {Flag: nosymfollowFlag, Clear: true},
	}
	for name, o := range maps.Clone(m) {
		m["r"+name] = o
	}
	m["sync"] = MountOption{Flag: unix.MS_SYNCHRONOUS}
	m["async"] = MountOption{Flag: unix.MS_SYNCHRONOUS, Clear: true}
	m["dirsync"] = MountOption{Flag: unix.MS_DIRSYNC}
	m["defaults"] = MountOption{}
	for _, name := range []string{OptionBind, OptionRBind, OptionCopyUp, OptionIDMap, OptionRecIDMap} {
		m[name] = MountOption{}
	}
	for name := range strings.FieldsSeq("acl noacl iversion noiversion lazytime nolazytime mand nomand silent loud remount") {
		m[name] = MountOption{NoEffect: true}
	}
	for name := range strings.FieldsSeq("private slave shared unbindable") {
		m[name] = MountOption{Propagation: true}
		m["r"+name] = MountOption{Propagation: true}
	}
	return m
}

// MountOptionNames lists them, sorted.
func MountOptionNames() []string {
	var names []string
	for name := range MountOptions() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
