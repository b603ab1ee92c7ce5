package dev

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/current/currenttest"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

func TestDevices(t *testing.T) {
	task := currenttest.New(0)
	for _, c := range []struct {
		name      string
		file      vfs.FileImpl
		read      int64
		zeros     bool
		written   int64
		writeErrs error
	}{
		{"null", nullFile{}, 0, false, 5, nil},
		{"zero", zeroFile{}, 8, true, 5, nil},
		{"full", fullFile{}, 8, true, 0, unix.ENOSPC},
		{"random", randomFile{}, 8, false, 5, nil},
	} {
		p := bytes.Repeat([]byte{0xff}, 8)
		n, err := c.file.Read(task, nil, usermem.BytesBuffer(p), 0)
		if n != c.read || err != nil {
			t.Errorf("%s: read = %d, %v, want %d", c.name, n, err, c.read)
		}
		if c.zeros && !bytes.Equal(p, make([]byte, 8)) {
			t.Errorf("%s: read % x, want zeros", c.name, p)
		}
		if c.name == "random" && bytes.Equal(p, bytes.Repeat([]byte{0xff}, 8)) {
			t.Errorf("random: the buffer was not touched")
		}
		n, _, err = c.file.Write(task, nil, usermem.BytesBuffer([]byte("hello")), 0)
		if n != c.written || err != c.writeErrs {
			t.Errorf("%s: write = %d, %v, want %d, %v", c.name, n, err, c.written, c.writeErrs)
		}
	}
}
