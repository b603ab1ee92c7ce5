// Package sys is /sys, as much of it as programs look at to know the machine:
// processors and memory nodes, and the directories that are expected to be there.
//
//   - It is given the number of processors and a network namespace, and knows no
//     kernel.
//   - Nothing in it can be changed but some attributes of interfaces.
package sys

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// FS is one instance.
type FS struct {
	ps   *pseudo.FS
	cpus int
	net  *socket.NetNS // may be nil
}

// New returns an instance for a machine of so many processors that shows the
// interfaces of net (none if it is nil), and its root inode with a reference.
func New(dev vfs.Dev, cpus int, net *socket.NetNS) (*FS, *vfs.Inode) {
	fs := &FS{ps: pseudo.New("sysfs", unix.SYSFS_MAGIC, dev, net != nil, ""), cpus: cpus}
	fs.ps.Fresh = true
	fs.hold(net)
	root := fs.ps.Dir(0555,
		fs.dir("block"), fs.dir("bus"),
		fs.dir("class", pseudo.Entry{Name: "net", Inode: fs.ps.Dynamic(0755, class{fs}, nil)}, fs.dir("tty"), fs.dir("block"), fs.dir("power_supply"), fs.dir("thermal"), fs.dir("dmi")),
		fs.dir("dev", fs.dir("block"), fs.dir("char")),
		fs.dir("devices", fs.system(), fs.dir("virtual", pseudo.Entry{Name: "net", Inode: fs.ps.Dynamic(0755, devices{fs}, nil)})),
		fs.dir("firmware"),
		fs.dir("fs", fs.dir("cgroup")),
		fs.dir("kernel",
			fs.dir("debug"), fs.dir("security"),
			fs.dir("mm", fs.dir("transparent_hugepage",
				fs.text("enabled", "always madvise [never]"), fs.text("defrag", "always defer defer+madvise madvise [never]"),
				fs.text("hpage_pmd_size", "2097152")),
				fs.dir("hugepages"))),
		fs.dir("module"), fs.dir("power"))
	return fs, root
}

// VFS returns what to mount.
func (fs *FS) VFS() *vfs.Filesystem { return fs.ps.VFS }

func (fs *FS) dir(name string, es ...pseudo.Entry) pseudo.Entry {
	return pseudo.Entry{Name: name, Inode: fs.ps.Dir(0755, es...)}
}

func (fs *FS) text(name, s string) pseudo.Entry {
	return pseudo.Entry{Name: name, Inode: fs.ps.SizedText(0444, pseudo.Static(s+"\n"), 4096)}
}

func (fs *FS) link(name, to string) pseudo.Entry {
	return pseudo.Entry{Name: name, Inode: fs.ps.Link(pseudo.To(to), nil)}
}

// list is a range of processors as the kernel writes it.
func (fs *FS) list() string {
	if fs.cpus == 1 {
		return "0"
	}
	return fmt.Sprintf("0-%d", fs.cpus-1)
}

// mask is a set of processors as a bitmap in words of 32 bits.
func mask(from, to, all int) string {
	s := ""
	for w := (all + 31) / 32; w > 0; w-- {
		var m uint32
		for c := (w - 1) * 32; c < w*32 && c < to; c++ {
			if c >= from {
				m |= 1 << (c % 32)
			}
		}
		if s == "" {
			s = fmt.Sprintf("%x", m)
		} else {
			s += fmt.Sprintf(",%08x", m)
		}
	}
	return s
}

// system is /sys/devices/system: one package, one core a processor, one node.
func (fs *FS) system() pseudo.Entry {
	cpus := []pseudo.Entry{
		fs.text("online", fs.list()), fs.text("possible", fs.list()), fs.text("present", fs.list()), fs.text("offline", ""),
		fs.text("isolated", ""), fs.text("kernel_max", "8191"), fs.dir("cpufreq"), fs.dir("cpuidle"),
		fs.dir("vulnerabilities"), fs.dir("smt", fs.text("active", "0"), fs.text("control", "notsupported")),
	}
	all := mask(0, fs.cpus, fs.cpus)
	node := []pseudo.Entry{
		fs.text("cpulist", fs.list()), fs.text("cpumap", all), fs.text("distance", "10"), fs.dir("hugepages"),
	}
	for i := range fs.cpus {
		one, id := mask(i, i+1, fs.cpus), fmt.Sprint(i)
		es := []pseudo.Entry{fs.dir("topology",
			fs.text("core_id", id), fs.text("physical_package_id", "0"), fs.text("die_id", "0"), fs.text("cluster_id", "-1"),
			fs.text("thread_siblings", one), fs.text("thread_siblings_list", id), fs.text("core_cpus", one), fs.text("core_cpus_list", id),
			fs.text("core_siblings", all), fs.text("core_siblings_list", fs.list()), fs.text("package_cpus", all),
			fs.text("package_cpus_list", fs.list()), fs.text("die_cpus", all), fs.text("die_cpus_list", fs.list())),
			fs.dir("cache"), fs.link("node0", "../../node/node0")}
		if i > 0 {
			es = append(es, fs.text("online", "1"))
		}
		cpus = append(cpus, fs.dir("cpu"+id, es...))
		node = append(node, fs.link("cpu"+id, "../../cpu/cpu"+id))
	}
	return fs.dir("system", fs.dir("cpu", cpus...),
		fs.dir("node", fs.text("online", "0"), fs.text("possible", "0"), fs.text("has_cpu", "0"), fs.text("has_memory", "0"),
			fs.text("has_normal_memory", "0"), fs.dir("node0", node...)))
}
