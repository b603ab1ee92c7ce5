package container

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// unknownFields returns the properties of a configuration that the
// specification does not have, by their full names, sorted.
func unknownFields(b []byte) ([]string, error) {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, jsonError(err)
	}
	var u unknown
	u.walk("", v, reflect.TypeFor[specs.Spec]())
	slices.Sort(u.names)
	return u.names, nil
}

type unknown struct{ names []string }

// walk compares v with what Go would store it in.
func (u *unknown) walk(at string, v any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		u.walkObject(at, v, t)
	case []any:
		if t.Kind() != reflect.Slice {
			return // an error of its own
		}
		for i, e := range v {
			u.walk(fmt.Sprintf("%s[%d]", at, i), e, t.Elem())
		}
	}
}

func (u *unknown) walkObject(at string, v map[string]any, t reflect.Type) {
	if t.Kind() == reflect.Map {
		for _, key := range slices.Sorted(maps.Keys(v)) {
			u.walk(fmt.Sprintf("%s[%q]", at, key), v[key], t.Elem())
		}
		return
	}
	if t.Kind() != reflect.Struct {
		return
	}
	known := map[string]reflect.Type{}
	fieldsOf(t, known)
	for key, e := range v {
		name := key
		if at != "" {
			name = at + "." + key
		}
		ft, ok := known[key]
		if !ok {
			u.names = append(u.names, name)
			continue
		}
		u.walk(name, e, ft)
	}
}

// fieldsOf collects the properties of t, with those of what is embedded in it.
func fieldsOf(t reflect.Type, known map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			fieldsOf(f.Type, known)
			continue
		}
		known[name] = f.Type
	}
}
