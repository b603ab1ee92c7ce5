package proc

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// sysctl is /proc/sys. What is fixed in hull is read-only.
func (fs *FS) sysctl() *vfs.Inode {
	p := fs.ps
	text := func(name string, s any) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: p.Text(0444, pseudo.Static(fmt.Sprintln(s)), nil)}
	}
	dir := func(name string, es ...pseudo.Entry) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: p.Dir(0555, es...)}
	}
	live := func(name string, mode uint32, c pseudo.Content) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: p.Text(mode, c, nil)}
	}
	boot := uuid()
	return p.Dir(0555,
		dir("kernel", append(fs.systemV(),
			live("hostname", 0644, utsName{false}), live("domainname", 0644, utsName{true}),
			text("ostype", kernel.SysName), text("osrelease", kernel.Release), text("version", kernel.Version),
			text("pid_max", 1<<22), text("threads-max", kernel.DefaultMaxTasks), text("ngroups_max", 65536),
			text("cap_last_cap", auth.LastCap), text("overflowuid", 65534), text("overflowgid", 65534),
			text("randomize_va_space", 2), text("core_pattern", "core"), text("core_uses_pid", 0),
			text("printk", "4\t4\t1\t7"), text("tainted", 0), text("sched_child_runs_first", 0), text("perf_event_paranoid", 4),
			text("yama_ptrace_scope", 0), text("kptr_restrict", 2), text("dmesg_restrict", 0),
			dir("random", text("boot_id", boot), live("uuid", 0444, freshUUID{}), text("entropy_avail", 256), text("poolsize", 256)),
		)...),
		dir("vm", text("overcommit_memory", 0), text("overcommit_ratio", 50), text("max_map_count", 65530),
			text("mmap_min_addr", 65536), text("swappiness", 60), text("nr_hugepages", 0), text("min_free_kbytes", 67584)),
		dir("fs", text("file-max", uint64(1)<<63-1), text("nr_open", 1<<20), live("pipe-max-size", 0644, pipeMax{}),
			text("file-nr", "0\t0\t9223372036854775807"), text("protected_hardlinks", 1), text("protected_symlinks", 0),
			text("protected_fifos", 0), text("protected_regular", 0), text("suid_dumpable", 0), text("lease-break-time", 45),
			dir("inotify", text("max_queued_events", 16384), text("max_user_instances", 128), text("max_user_watches", 65536)),
			dir("epoll", text("max_user_watches", 1<<20)),
			fs.mqueueLimits()),
		pseudo.Entry{Name: "net", Inode: p.Dynamic(0555, netParams{fs: fs}, nil, dir("unix", text("max_dgram_qlen", 10)))},
	)
}

// utsName is the host or the domain name of the caller's namespace.
type utsName struct{ domain bool }

// Content implements pseudo.Content.
func (u utsName) Content(t current.Task, w *bytes.Buffer) error {
	kt := task(t)
	if kt == nil {
		return unix.ENOENT
	}
	host, domain := kt.UTS().Names()
	if u.domain {
		host = domain
	}
	fmt.Fprintln(w, host)
	return nil
}

// Set implements pseudo.Setter.
func (u utsName) Set(t current.Task, data []byte) error {
	kt := task(t)
	if kt == nil || !kt.Cred().HasCapIn(kt.UTS().User, unix.CAP_SYS_ADMIN) {
		return unix.EPERM
	}
	s, _, _ := strings.Cut(string(data), "\n")
	if len(s) > 64 {
		s = s[:64]
	}
	if u.domain {
		kt.UTS().SetDomain(s)
	} else {
		kt.UTS().SetHost(s)
	}
	return nil
}

// pipeMax is the largest capacity of a pipe: a power of two of pages.
type pipeMax struct{}

// Content implements pseudo.Content.
func (pipeMax) Content(t current.Task, w *bytes.Buffer) error {
	kt := task(t)
	if kt == nil {
		return unix.ENOENT
	}
	fmt.Fprintln(w, kt.Kernel().PipeMax())
	return nil
}

// Set implements pseudo.Setter.
func (pipeMax) Set(t current.Task, data []byte) error {
	kt := task(t)
	if kt == nil || !kt.Cred().HasCap(unix.CAP_SYS_ADMIN) {
		return unix.EPERM
	}
	const page = 4096
	long, err := strconv.ParseUint(strings.TrimSpace(string(data)), 0, 64)
	n := uint32(long) // as Linux takes it
	if err != nil || n > 1<<31 {
		return unix.EINVAL
	}
	kt.Kernel().SetPipeMax(uint32(max(page, 1<<bits.Len32(max(n, 1)-1))))
	return nil
}

// freshUUID is a new random UUID at each read.
type freshUUID struct{}

// Content implements pseudo.Content.
func (freshUUID) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintln(w, uuid())
	return nil
}

// uuid returns a random (version 4) UUID, RFC 9562.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails, crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
