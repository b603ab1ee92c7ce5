package ptrace

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
)

// TestFilter resumes a worker with PTRACE_CONT, as only the loop ever is, to
// see that the filter alone refuses what a guest would want to call.
func TestFilter(t *testing.T) {
	g := newGuest(t, newPlatform(t), code(insSyscall, insInt3)...)
	g.run()
	w := g.ctx.(*context).worker
	const anon = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED
	fd := uint64(g.fd)
	tests := []struct {
		name string
		ip   uint64 // of the SYSCALL instruction
		call call
		want bool
	}{
		{"mmap", textAddr + loopCallOff - 2, call{unix.SYS_MMAP, dataPage, pageSize, 1, mapFlags, fd}, true},
		{"munmap", textAddr + loopCallOff - 2, call{unix.SYS_MUNMAP, dataPage, pageSize}, true},
		{"mmap from guest code", codeAddr, call{unix.SYS_MMAP, dataPage, pageSize, 1, mapFlags, fd}, false},
		{"pause from guest code", codeAddr, call{unix.SYS_PAUSE}, false},
		{"getpid from guest code", codeAddr, call{unix.SYS_GETPID}, false},
		{"getpid", textAddr + loopCallOff - 2, call{unix.SYS_GETPID}, false},
		{"write", textAddr + loopCallOff - 2, call{unix.SYS_WRITE, 1, codeAddr, 1}, false},
		{"execve", textAddr + loopCallOff - 2, call{unix.SYS_EXECVE}, false},
		{"x32 mmap", textAddr + loopCallOff - 2, call{unix.SYS_MMAP | 1<<30, dataPage, pageSize, 1, mapFlags, fd}, false},
		{"anonymous mmap", textAddr + loopCallOff - 2, call{unix.SYS_MMAP, dataPage, pageSize, 3, anon, ^uint64(0)}, false},
		{"mmap over the text", textAddr + loopCallOff - 2, call{unix.SYS_MMAP, textAddr, pageSize, 1, mapFlags, fd}, false},
		{"writable table", textAddr + loopCallOff - 2, call{unix.SYS_MPROTECT, tableAddr, pageSize, 3}, false},
		{"writable mmap as table", textAddr + loopCallOff - 2, call{unix.SYS_MMAP, tableAddr, pageSize, 3, mapFlags, fd}, false},
		{"munmap of the text", textAddr + loopCallOff - 2, call{unix.SYS_MUNMAP, textAddr, pageSize}, false},
		{"munmap at the end", textAddr + loopCallOff - 2, call{unix.SYS_MUNMAP, 1 << 48, pageSize}, false},
		{"untraced clone", textAddr + loopCallOff - 2, call{unix.SYS_CLONE, unix.CLONE_PARENT | unix.CLONE_FILES}, false},
		{"prctl", textAddr + loopCallOff - 2, call{unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0}, false},
		{"pages of a file", textAddr + loopCallOff - 2, call{unix.SYS_FALLOCATE, fd, unix.FALLOC_FL_KEEP_SIZE, 0, pageSize}, true},
		{"a longer file", textAddr + loopCallOff - 2, call{unix.SYS_FALLOCATE, fd, 0, 0, pageSize}, false},
		{"title page", textAddr + loopCallOff - 2, call{unix.SYS_MMAP, titleAddr, pageSize, 3, titleFlags, ^uint64(0)}, true},
		{"title", textAddr + loopCallOff - 2, call{unix.SYS_PREAD64, fd, titleAddr, pageSize}, true},
		{"read of something else", textAddr + loopCallOff - 2, call{unix.SYS_PREAD64, fd, dataPage, pageSize}, false},
		{"read-only title", textAddr + loopCallOff - 2, call{unix.SYS_MPROTECT, titleAddr, pageSize, 1}, true},
		{"executable title", textAddr + loopCallOff - 2, call{unix.SYS_MPROTECT, titleAddr, pageSize, 5}, false},
		{"another program", textAddr + loopCallOff - 2, call{unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_MAP, dataPage, titleMapSz}, false},
		{"mmap from the park loop", textAddr + parkCallOff - 2, call{unix.SYS_MMAP, dataPage, pageSize, 1, mapFlags, fd}, false},
	}
	for _, tt := range tests {
		c := &tt.call
		regs := arch.Registers{
			Rip: tt.ip, Rax: c[0], Rdi: c[1], Rsi: c[2], Rdx: c[3], R10: c[4], R8: c[5], R9: c[6],
			Rbx: tableAddr, Rbp: tableAddr, OrigRax: ^uint64(0), Cs: userCS, Ss: userSS, Eflags: eflagsIF,
		}
		w.known = false
		if errno := setRegs(w.tid, &regs); errno != 0 {
			t.Fatal(errno)
		}
		if errno := request(unix.PTRACE_CONT, w.tid, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		status, errno := wait(w.tid)
		if errno != 0 || !status.Stopped() {
			t.Fatalf("%s: status %#x, %v", tt.name, uint32(status), errno)
		}
		if made := status.StopSignal() != unix.SIGSYS; made != tt.want {
			t.Errorf("%s: stopped by %v", tt.name, status.StopSignal())
		}
	}
}

func FuzzStubIsConfined(f *testing.F) {
	prog := stubFilter()
	f.Add(uint32(unix.SYS_MMAP), uint64(textAddr+loopCallOff), uint64(dataPage), uint64(pageSize), uint64(1), uint64(mapFlags))
	f.Add(uint32(unix.SYS_PAUSE), uint64(textAddr+parkCallOff), uint64(0), uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, nr uint32, ip, a0, a1, a2, a3 uint64) {
		if !allows(t, prog, nr, ip, [6]uint64{a0, a1, a2, a3}) {
			return
		}
		ok := false
		switch {
		case ip == textAddr+parkCallOff:
			ok = nr == unix.SYS_PAUSE
		case ip == textAddr+loopCallOff:
			switch nr {
			case unix.SYS_EXIT:
				ok = true
			case unix.SYS_MUNMAP:
				ok = a0 < maxAddress
			case unix.SYS_MPROTECT:
				ok = a0 < maxAddress || a0 == titleAddr && uint32(a1) == pageSize && uint32(a2) == unix.PROT_READ
			case unix.SYS_PREAD64:
				ok = a1 == titleAddr && uint32(a2) == pageSize
			case unix.SYS_FALLOCATE:
				ok = uint32(a1) == unix.FALLOC_FL_KEEP_SIZE
			case unix.SYS_MMAP:
				ok = uint32(a3) == titleFlags && a0 == titleAddr && uint32(a1) == pageSize || uint32(a3) == mapFlags|unix.MAP_POPULATE && a0 < maxAddress ||
					uint32(a3) == mapFlags && (a0 < maxAddress || a0 == tableAddr && uint32(a2) == unix.PROT_READ)
			case unix.SYS_CLONE:
				ok = a0 == forkFlags || a0 == threadFlags
			case unix.SYS_PRCTL:
				ok = uint32(a0) == unix.PR_SET_PDEATHSIG && uint32(a1) == uint32(unix.SIGKILL) ||
					uint32(a0) == unix.PR_SET_NAME && a1 == titleAddr ||
					uint32(a0) == unix.PR_SET_MM && uint32(a1) == unix.PR_SET_MM_MAP && a2 == titleAddr+titleMap
			}
		}
		if !ok {
			t.Errorf("call %d at %#x with %#x %#x %#x %#x is allowed", nr, ip, a0, a1, a2, a3)
		}
	})
}

// allows evaluates the program as the kernel does.
func allows(t *testing.T, prog []unix.SockFilter, nr uint32, ip uint64, args [6]uint64) bool {
	data := map[uint32]uint32{dataNr: nr, dataArch: unix.AUDIT_ARCH_X86_64, dataIPLow: uint32(ip), dataIPHigh: uint32(ip >> 32)}
	for i, a := range args {
		data[argLow(i)], data[argHigh(i)] = uint32(a), uint32(a>>32)
	}
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		ins := prog[pc]
		taken := false
		switch ins.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[ins.K]
			continue
		case unix.BPF_RET | unix.BPF_K:
			return ins.K == unix.SECCOMP_RET_ALLOW
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(ins.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = acc == ins.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			taken = acc > ins.K
		default:
			t.Fatalf("instruction %+v", ins)
		}
		if taken {
			pc += int(ins.Jt)
		} else {
			pc += int(ins.Jf)
		}
	}
	t.Fatal("the program has no end")
	return false
}
