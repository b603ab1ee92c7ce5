package boot

import (
	"strings"

	"golang.org/x/sys/unix"
)

// mountOptions are the options of a mount, as mount(8) splits them.
type mountOptions struct {
	flags     uint64 // MS_*
	recursive bool   // rbind
	data      string // the file system's own
}

// parseOptions splits options into flags and what is the file system's. Of
// propagation only private exists here, so what asks for another is accepted
// and means that.
func parseOptions(options []string) mountOptions {
	var m mountOptions
	var data []string
	set := map[string]uint64{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
		"sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC, "noatime": unix.MS_NOATIME,
		"nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME,
	}
	clear := map[string]uint64{
		"rw": unix.MS_RDONLY, "suid": unix.MS_NOSUID, "dev": unix.MS_NODEV, "exec": unix.MS_NOEXEC,
		"async": unix.MS_SYNCHRONOUS, "atime": unix.MS_NOATIME, "diratime": unix.MS_NODIRATIME,
		"norelatime": unix.MS_RELATIME, "nostrictatime": unix.MS_STRICTATIME, "defaults": 0, "bind": 0,
		"private": 0, "rprivate": 0, "slave": 0, "rslave": 0, "shared": 0, "rshared": 0,
		"unbindable": 0, "runbindable": 0,
	}
	for _, o := range options {
		if f, ok := set[o]; ok {
			m.flags |= f
		} else if f, ok := clear[o]; ok {
			m.flags &^= f
		} else if o == "rbind" {
			m.recursive = true
		} else {
			data = append(data, o)
		}
	}
	m.data = strings.Join(data, ",")
	return m
}
