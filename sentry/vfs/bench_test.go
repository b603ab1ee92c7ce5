package vfs_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/fsimpl/tmpfs"
	"hull/sentry/current/currenttest"
	"hull/sentry/mem"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// benchFile returns who asks, where, and a file six directories down.
func benchFile(b *testing.B) (*currenttest.Task, vfs.At) {
	m, err := mem.New(0)
	if err != nil {
		b.Fatal(err)
	}
	env := &vfs.Environment{}
	fs, root := tmpfs.New(m, env.AnonDev(), tmpfs.Options{Mode: 0o777})
	ns := vfs.NewNamespace(env, fs, root, "test", 0)
	task, at := currenttest.New(1<<16), vfs.At{FS: vfs.NewContext(ns)}
	for range 6 {
		at.Name += "/directory"
		if err := vfs.Mkdir(task, at, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	at.Name += "/file"
	f, err := vfs.Open(task, at, vfs.OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Mode: 0o666})
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Truncate(task, 1<<20); err != nil {
		b.Fatal(err)
	}
	f.DecRef(task)
	b.ReportAllocs()
	return task, at
}

func BenchmarkStat(b *testing.B) {
	task, at := benchFile(b)
	for b.Loop() {
		if _, _, err := vfs.StatAt(task, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	task, at := benchFile(b)
	for b.Loop() {
		f, err := vfs.Open(task, at, vfs.OpenHow{})
		if err != nil {
			b.Fatal(err)
		}
		f.DecRef(task)
	}
}

func BenchmarkRead(b *testing.B) {
	task, at := benchFile(b)
	f, err := vfs.Open(task, at, vfs.OpenHow{Flags: unix.O_RDWR})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.ReadAt(task, usermem.One(task.Memory, 0, 64), 0); err != nil {
			b.Fatal(err)
		}
	}
}
