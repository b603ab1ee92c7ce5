// Package seccomp is seccomp(2)'s filters: classic BPF programs that look at the
// number and arguments of a system call and say what becomes of it.
//
//	Compile   a program of the guest's, checked: it ends, and reads only Data
//	Program   runs it
//	Filter    a chain of them, as tasks have it: the strictest answer counts
//	Listener  where calls wait that another process decides
//
// The machine is package bpf's; what is here are the loads and rules of filters.
// It knows no tasks: package kernel asks at the entry of each call, and does
// what the answer says. A chain is immutable, so that it is shared by all who
// inherit it.
//
// Sources: seccomp(2), Documentation/userspace-api/seccomp_filter.rst.
package seccomp
