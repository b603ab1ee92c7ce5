package syscalls

import "golang.org/x/sys/unix"

// archRows are the calls that only amd64 has: the old ones, for which newer
// architectures have a general form.
func archRows(rows table) {
	fsOldRows(rows)
	pollOldRows(rows)
	procOldRows(rows)
	sigOldRows(rows)
	timeOldRows(rows)
	sysOldRows(rows)
}

// fsOldRows are the rows of Files: fs_*.go.
func fsOldRows(rows table) {
	rows.add(unix.SYS_OPEN, "open", open)
	rows.add(unix.SYS_STAT, "stat", stat)
	rows.add(unix.SYS_LSTAT, "lstat", lstat)
	rows.add(unix.SYS_ACCESS, "access", access)
	rows.add(unix.SYS_PIPE, "pipe", pipe1)
	rows.add(unix.SYS_DUP2, "dup2", dup2)
	rows.add(unix.SYS_GETDENTS, "getdents", getdents)
	rows.add(unix.SYS_RENAME, "rename", rename)
	rows.add(unix.SYS_MKDIR, "mkdir", mkdir)
	rows.add(unix.SYS_RMDIR, "rmdir", rmdir)
	rows.add(unix.SYS_CREAT, "creat", creat)
	rows.add(unix.SYS_LINK, "link", link)
	rows.add(unix.SYS_UNLINK, "unlink", unlink)
	rows.add(unix.SYS_SYMLINK, "symlink", symlink)
	rows.add(unix.SYS_READLINK, "readlink", readlink)
	rows.add(unix.SYS_CHMOD, "chmod", chmod)
	rows.add(unix.SYS_CHOWN, "chown", chown)
	rows.add(unix.SYS_LCHOWN, "lchown", lchown)
	rows.add(unix.SYS_UTIME, "utime", utime)
	rows.add(unix.SYS_MKNOD, "mknod", mknod)
	rows.add(unix.SYS_UTIMES, "utimes", utimes)
	rows.add(unix.SYS_INOTIFY_INIT, "inotify_init", inotifyInit)
	rows.add(unix.SYS_FUTIMESAT, "futimesat", futimesat)
	rows.add(unix.SYS_EVENTFD, "eventfd", eventfd1)
	rows.missing(unix.SYS_UPROBE, "uprobe", "")
}

// pollOldRows are the rows of Readiness: poll_*.go.
func pollOldRows(rows table) {
	rows.add(unix.SYS_POLL, "poll", poll)
	rows.add(unix.SYS_SELECT, "select", select4)
	rows.add(unix.SYS_EPOLL_CREATE, "epoll_create", epollCreate)
	rows.missing(unix.SYS_EPOLL_CTL_OLD, "epoll_ctl_old", "")
	rows.missing(unix.SYS_EPOLL_WAIT_OLD, "epoll_wait_old", "")
	rows.add(unix.SYS_EPOLL_WAIT, "epoll_wait", epollWait)
}

// procOldRows are the rows of Processes and threads: proc_*.go.
func procOldRows(rows table) {
	rows.add(unix.SYS_FORK, "fork", fork)
	rows.add(unix.SYS_VFORK, "vfork", vfork)
	rows.add(unix.SYS_GETPGRP, "getpgrp", getpgrp)
	rows.missing(unix.SYS_MODIFY_LDT, "modify_ldt", "")
	rows.add(unix.SYS_ARCH_PRCTL, "arch_prctl", archPrctl)
	rows.missing(unix.SYS_SET_THREAD_AREA, "set_thread_area", "")
	rows.missing(unix.SYS_GET_THREAD_AREA, "get_thread_area", "")
}

// sigOldRows are the rows of Signals: sig_*.go.
func sigOldRows(rows table) {
	rows.add(unix.SYS_PAUSE, "pause", pause)
	rows.add(unix.SYS_SIGNALFD, "signalfd", signalfdOld)
}

// timeOldRows are the rows of Clocks and timers: time_*.go.
func timeOldRows(rows table) {
	rows.add(unix.SYS_ALARM, "alarm", alarm)
	rows.add(unix.SYS_TIME, "time", timeOfDay)
}

// sysOldRows are the rows of The system: sys_*.go.
func sysOldRows(rows table) {
	rows.missing(unix.SYS_USELIB, "uselib", "")
	rows.missing(unix.SYS_USTAT, "ustat", "")
	rows.missing(unix.SYS_SYSFS, "sysfs", "")
	rows.missing(unix.SYS__SYSCTL, "_sysctl", "")
	rows.missing(unix.SYS_IOPL, "iopl", "")
	rows.missing(unix.SYS_IOPERM, "ioperm", "")
	rows.missing(unix.SYS_CREATE_MODULE, "create_module", "")
	rows.missing(unix.SYS_GET_KERNEL_SYMS, "get_kernel_syms", "")
	rows.missing(unix.SYS_QUERY_MODULE, "query_module", "")
	rows.missing(unix.SYS_GETPMSG, "getpmsg", "")
	rows.missing(unix.SYS_PUTPMSG, "putpmsg", "")
	rows.missing(unix.SYS_AFS_SYSCALL, "afs_syscall", "")
	rows.missing(unix.SYS_TUXCALL, "tuxcall", "")
	rows.missing(unix.SYS_SECURITY, "security", "")
	rows.missing(unix.SYS_VSERVER, "vserver", "")
	rows.missing(unix.SYS_URETPROBE, "uretprobe", "")
}
