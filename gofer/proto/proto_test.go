package proto

import (
	"reflect"
	"testing"
)

// requests has one of each kind.
func requests() []Request {
	return []Request{
		{Op: Hello, Tag: 1, Flags: Version},
		{Op: Attach, Tag: 2, Fid: 3},
		{Op: Walk, Tag: 3, Fid: 1, Names: []string{"usr", "lib", "x"}},
		{Op: Clunk, Tag: 4, Fids: []uint32{1, 2, 3}},
		{Op: Setattr, Tag: 5, Fid: 9, Mask: SetMode | SetSize, Mode: 0644, Size: 1 << 40, Atime: Time{-1, 999}, Mtime: Time{5, 6}},
		{Op: Open, Tag: 6, Fid: 1, Flags: 2},
		{Op: Symlink, Tag: 7, Fid: 1, Name: "l", Target: "../x/y", UID: 1000, GID: 1000},
		{Op: Rename, Tag: 8, Fid: 1, Name: "a", Fid2: 2, Name2: "b", Flags: 1},
		{Op: Readdir, Tag: 9, Fid: 1, Off: -5},
		{Op: SetXattr, Tag: 10, Fid: 1, Name: "user.x", Value: []byte{0, 1, 2}, Flags: 1},
	}
}

func TestRequestsComeBack(t *testing.T) {
	for _, r := range requests() {
		b, err := r.Encode(nil)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		got, err := DecodeRequest(b)
		if err != nil || !reflect.DeepEqual(*got, r) {
			t.Errorf("sent %+v, got %+v, %v", r, got, err)
		}
		if _, err := DecodeRequest(append(b, 0)); err == nil {
			t.Errorf("%v: a byte too many was taken", r.Op)
		}
		if _, err := DecodeRequest(b[:len(b)-1]); err == nil {
			t.Errorf("%v: a byte too few was taken", r.Op)
		}
	}
}

func TestBadNames(t *testing.T) {
	for _, n := range []string{"", ".", "..", "a/b", "/", "a\x00b", string(make([]byte, 300))} {
		if ValidName(n) {
			t.Errorf("%q is taken for a name", n)
		}
		r := Request{Op: Mkdir, Name: n}
		if _, err := r.Encode(nil); err == nil {
			t.Errorf("%q was encoded", n)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, r := range requests() {
		b, _ := r.Encode(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRequest(b)
		if err != nil {
			return
		}
		again, err := r.Encode(nil)
		if err != nil || string(again) != string(b) {
			t.Errorf("%x decodes to %+v, which encodes to %x, %v", b, r, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, r := range []Reply{
		{Op: Hello, Tag: 1, Flags: 1, Count: 2},
		{Op: Walk, Tag: 2, Errno: 2, Nodes: []Node{{Fid: 7, Attr: Attr{Mode: 0100644, Size: 5}}}},
		{Op: Readdir, Tag: 3, Entries: []Dirent{{"a", 5, 4, 9}}},
		{Op: Statfs, Tag: 4, Statfs: FSStat{Type: 5, Blocks: 9}},
		{Op: ListXattr, Tag: 5, Names: []string{"user.a"}},
	} {
		b, _ := r.Encode(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeReply(b)
		if err != nil {
			return
		}
		again, err := r.Encode(nil)
		if err != nil || string(again) != string(b) {
			t.Errorf("%x decodes to %+v, which encodes to %x, %v", b, r, again, err)
		}
	})
}
