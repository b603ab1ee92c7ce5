package leanjson

import (
	"reflect"
	"strings"
)

// field is a property of a structure.
type field struct {
	name      string
	index     int
	omitEmpty bool
	omitZero  bool
}

// each calls f with the properties of v, those of structures embedded in it among
// them, until it returns false.
func each(v reflect.Value, f func(field, reflect.Value) bool) bool {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct {
			if !each(v.Field(i), f) {
				return false
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		if name == "" {
			name = sf.Name
		}
		p := field{name: name, index: i}
		for o := range strings.SplitSeq(options, ",") {
			p.omitEmpty = p.omitEmpty || o == "omitempty"
			p.omitZero = p.omitZero || o == "omitzero"
		}
		if !f(p, v.Field(i)) {
			return false
		}
	}
	return true
}
