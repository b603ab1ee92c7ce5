package leanjson

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Unmarshal stores what b says in what v points to. Properties that v does not have
// are left out. Errors are those of encoding/json, where Field of an
// *json.UnmarshalTypeError has the place in full: mounts[1].options.
func Unmarshal(b []byte, v any) error {
	_, err := Decode(b, v)
	return err
}

// Decode is Unmarshal, and returns the names of the properties that v does not have,
// sorted.
func Decode(b []byte, v any) (unknown []string, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // of 64 bits
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("byte %d: there is something after the end", d.InputOffset())
	}
	f := filler{}
	if err := f.fill(reflect.ValueOf(v).Elem(), tree, ""); err != nil {
		return nil, err
	}
	slices.Sort(f.unknown)
	return f.unknown, nil
}

// filler stores a tree of what encoding/json reads into an interface.
type filler struct{ unknown []string }

// fill stores v, which is at a place of the input, in dst.
func (f *filler) fill(dst reflect.Value, v any, at string) error {
	if v == nil {
		switch dst.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			dst.SetZero()
		}
		return nil
	}
	if dst.Kind() == reflect.Pointer {
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		return f.fill(dst.Elem(), v, at)
	}
	if own, err := ownDecode(dst, v, at); own {
		return err
	}
	switch v := v.(type) {
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v)
			return nil
		}
	case string:
		return f.fillString(dst, v, at)
	case json.Number:
		return f.fillNumber(dst, v, at)
	case []any:
		return f.fillArray(dst, v, at)
	case map[string]any:
		return f.fillObject(dst, v, at)
	}
	return mismatch(dst, v, at)
}

// mismatch is that v does not fit.
func mismatch(dst reflect.Value, v any, at string) error {
	if dst.Kind() == reflect.Interface && dst.NumMethod() == 0 {
		dst.Set(reflect.ValueOf(plain(v)))
		return nil
	}
	kind := map[reflect.Kind]string{reflect.Bool: "bool", reflect.String: "string", reflect.Slice: "array", reflect.Map: "object"}[reflect.TypeOf(v).Kind()]
	if n, ok := v.(json.Number); ok {
		kind = "number"
		if k := dst.Kind(); k >= reflect.Int && k <= reflect.Float64 {
			kind += " " + n.String()
		}
	}
	return &json.UnmarshalTypeError{Value: kind, Type: dst.Type(), Field: at}
}

// plain is v with numbers as encoding/json has them in an interface.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return n
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
	}
	return v
}

// ownDecode lets a type decode that has its own way.
func ownDecode(dst reflect.Value, v any, at string) (own bool, err error) {
	if dst.Type().PkgPath() == "" || !dst.CanAddr() || dst.Addr().Type().NumMethod() == 0 {
		return false, nil
	}
	switch u := dst.Addr().Interface().(type) {
	case json.Unmarshaler:
		b, err := json.Marshal(v)
		if err == nil {
			err = u.UnmarshalJSON(b)
		}
		return true, err
	case encoding.TextUnmarshaler:
		s, ok := v.(string)
		if !ok {
			return true, mismatch(dst, v, at)
		}
		return true, u.UnmarshalText([]byte(s))
	}
	return false, nil
}

func (f *filler) fillString(dst reflect.Value, s, at string) error {
	switch {
	case dst.Kind() == reflect.String:
		dst.SetString(s)
		return nil
	case dst.Kind() == reflect.Slice && dst.Type().Elem().Kind() == reflect.Uint8:
		b, err := base64.StdEncoding.DecodeString(s)
		if err == nil {
			dst.SetBytes(b)
		}
		return err
	}
	return mismatch(dst, s, at)
}

func (f *filler) fillNumber(dst reflect.Value, n json.Number, at string) error {
	k := dst.Kind()
	switch {
	case k >= reflect.Int && k <= reflect.Int64:
		if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil && !dst.OverflowInt(i) {
			dst.SetInt(i)
			return nil
		}
	case k >= reflect.Uint && k <= reflect.Uintptr:
		if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil && !dst.OverflowUint(u) {
			dst.SetUint(u)
			return nil
		}
	case k == reflect.Float32 || k == reflect.Float64:
		if x, err := n.Float64(); err == nil && !dst.OverflowFloat(x) {
			dst.SetFloat(x)
			return nil
		}
	}
	return mismatch(dst, n, at)
}

func (f *filler) fillArray(dst reflect.Value, list []any, at string) error {
	switch dst.Kind() {
	case reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
	case reflect.Array:
		dst.SetZero()
		list = list[:min(len(list), dst.Len())]
	default:
		return mismatch(dst, list, at)
	}
	for i, e := range list {
		if err := f.fill(dst.Index(i), e, at+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) fillObject(dst reflect.Value, o map[string]any, at string) error {
	switch {
	case dst.Kind() == reflect.Struct:
		return f.fillStruct(dst, o, at)
	case dst.Kind() != reflect.Map || dst.Type().Key().Kind() != reflect.String:
		return mismatch(dst, o, at)
	}
	if dst.IsNil() {
		dst.Set(reflect.MakeMapWithSize(dst.Type(), len(o)))
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		e := reflect.New(dst.Type().Elem()).Elem()
		if err := f.fill(e, o[key], fmt.Sprintf("%s[%q]", at, key)); err != nil {
			return err
		}
		dst.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), e)
	}
	return nil
}

func (f *filler) fillStruct(dst reflect.Value, o map[string]any, at string) (err error) {
	if at != "" {
		at += "."
	}
	known := 0
	each(dst, func(p field, v reflect.Value) bool {
		if e, ok := o[p.name]; ok {
			known++
			err = f.fill(v, e, at+p.name)
		}
		return err == nil
	})
	if err != nil || known == len(o) {
		return err
	}
	names := map[string]bool{}
	each(dst, func(p field, _ reflect.Value) bool {
		names[p.name] = true
		return true
	})
	for name := range o {
		if !names[name] {
			f.unknown = append(f.unknown, at+name)
		}
	}
	return nil
}
