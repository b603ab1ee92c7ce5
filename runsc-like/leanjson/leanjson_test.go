package leanjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// everything has what the types of this module have beside a configuration's.
type everything struct {
	specs.Spec
	inner
	Raw    json.RawMessage `json:"raw,omitempty"`
	Time   time.Time       `json:"time,omitzero"`
	Prefix netip.Prefix    `json:"prefix,omitzero"`
	Addrs  []netip.Addr    `json:"addrs"`
	Bytes  []byte          `json:"bytes"`
	Array  [6]byte         `json:"array"`
	Any    any             `json:"any"`
	Float  float64         `json:"float"`
	Hidden string          `json:"-"`
	Named  string
	Nested map[string]map[string][]int `json:"nested,omitempty"`
}

type inner struct {
	Depth int8 `json:"depth,omitempty"`
}

// scribe fills values with anything.
type scribe struct{ *rand.Rand }

func (s scribe) fill(v reflect.Value, depth int) {
	if s.IntN(3) == 0 || depth > 8 {
		return
	}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(s.Int64N(1<<32), s.Int64N(1e9)).UTC()))
		return
	case reflect.TypeFor[netip.Prefix]():
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(s.IntN(256))}), s.IntN(33))))
		return
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, byte(s.IntN(256))})))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"a":[1,"b",null]}`))
		return
	}
	switch k := v.Kind(); k {
	case reflect.Bool:
		v.SetBool(s.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(s.Uint64()) >> s.IntN(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(s.Uint64() >> s.IntN(64))
	case reflect.Float64:
		v.SetFloat(s.NormFloat64() * 1e6)
	case reflect.String:
		v.SetString([]string{"", "plain", "<&>", "\"\\", "\x00\n", "größer", "\xff\u2028", "a b"}[s.IntN(8)])
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		s.fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), s.IntN(3), 3))
		for i := range v.Len() {
			s.fill(v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			s.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"b", "a&", "ü"}[:s.IntN(4)] {
			e := reflect.New(v.Type().Elem()).Elem()
			s.fill(e, depth+1)
			v.SetMapIndex(reflect.ValueOf(key), e)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{1.5, "x", map[string]any{"k": true}}))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				s.fill(v.Field(i), depth+1)
			}
		}
	}
}

// TestLikeEncodingJSON writes and reads values as encoding/json does.
func TestLikeEncodingJSON(t *testing.T) {
	s := scribe{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		var v everything
		s.fill(reflect.ValueOf(&v).Elem(), 0)
		v.Depth = 3
		want, err := json.Marshal(&v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Marshal(&v)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v\n%s\nwant\n%s", err, got, want)
		}
		var a, b everything
		unknown, err := Decode(got, &b)
		if err := errors.Join(err, json.Unmarshal(got, &a)); err != nil || len(unknown) > 0 {
			t.Fatalf("%v, unknown %q\n%s", err, unknown, got)
		}
		if a.Raw, b.Raw = nil, nil; !reflect.DeepEqual(a, b) {
			t.Fatalf("%s\nis\n%+v\nwant\n%+v", want, b, a)
		}
	}
}

func TestUnknown(t *testing.T) {
	var s specs.Spec
	got, err := Decode([]byte(`{"ociVersion":"1","zz":1,"process":{"Args":[],"rlimits":[{"type":"x","kind":2}]},"annotations":{"a":"b"},"linux":{"resources":{"hugepageLimits":[{}]}}}`), &s)
	if want := []string{"process.Args", "process.rlimits[0].kind", "zz"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("unknown are %q, %v; want %q", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	for in, field := range map[string]string{
		`{"process":[]}`:                                   "process",
		`{"process":{"args":["a",1]}}`:                     "process.args[1]",
		`{"process":{"user":{"uid":-1}}}`:                  "process.user.uid",
		`{"process":{"user":{"uid":4294967296}}}`:          "process.user.uid",
		`{"mounts":[{},{"destination":true}]}`:             "mounts[1].destination",
		`{"annotations":{"a":{}}}`:                         `annotations["a"]`,
		`{"linux":{"resources":{"memory":{"limit":1.5}}}}`: "linux.resources.memory.limit",
	} {
		var s specs.Spec
		var te *json.UnmarshalTypeError
		if err := Unmarshal([]byte(in), &s); !errors.As(err, &te) || te.Field != field {
			t.Errorf("%s: %v, want an error of %s", in, err, field)
		}
	}
	for _, in := range []string{``, `{`, `{} {}`, `{"a":1,}`, `nul`} {
		if err := Unmarshal([]byte(in), &specs.Spec{}); err == nil {
			t.Errorf("%q is no error", in)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"ociVersion":"1.0","process":{"args":["a"],"user":{"uid":1}},"mounts":[{"destination":"/"}],"linux":{"resources":{"memory":{"limit":-1}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s specs.Spec
		if Unmarshal(b, &s) != nil {
			return
		}
		again, err := Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var same specs.Spec
		if err := Unmarshal(again, &same); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if third, err := Marshal(&same); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%v\n%s\nthen\n%s", err, again, third)
		}
	})
}
