package leanjson

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Marshal returns v as JSON, as encoding/json has it.
func Marshal(v any) ([]byte, error) { return appendValue(nil, reflect.ValueOf(v)) }

func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() {
		return append(b, "null"...), nil
	}
	k := v.Kind()
	if (k == reflect.Pointer || k == reflect.Interface || k == reflect.Map || k == reflect.Slice) && v.IsNil() {
		return append(b, "null"...), nil
	}
	if v.Type().NumMethod() > 0 && k != reflect.Interface {
		if own, b, err := ownEncode(b, v); own {
			return b, err
		}
	}
	switch {
	case k == reflect.Pointer || k == reflect.Interface:
		return appendValue(b, v.Elem())
	case k == reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case k >= reflect.Int && k <= reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case k == reflect.Float32:
		return appendBy(b, float32(v.Float()))
	case k == reflect.Float64:
		return appendBy(b, v.Float())
	case k == reflect.String:
		return appendString(b, v.String())
	case k == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"'), nil
	case k == reflect.Slice || k == reflect.Array:
		return appendArray(b, v)
	case k == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return appendMap(b, v)
	case k == reflect.Struct:
		return appendStruct(b, v)
	}
	return nil, fmt.Errorf("leanjson: a %s cannot be written", v.Type())
}

// ownEncode lets a type encode that has its own way.
func ownEncode(b []byte, v reflect.Value) (own bool, out []byte, err error) {
	switch m := v.Interface().(type) {
	case json.Marshaler:
		b, err = appendBy(b, m)
		return true, b, err
	case encoding.TextMarshaler:
		text, err := m.MarshalText()
		if err != nil {
			return true, nil, err
		}
		b, err = appendString(b, string(text))
		return true, b, err
	}
	return false, nil, nil
}

// appendBy lets encoding/json write a value without parts.
func appendBy(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func appendString(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendBy(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), nil
}

func appendArray(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, v reflect.Value) (_ []byte, err error) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int {
		if x.String() < y.String() {
			return -1
		}
		return 1
	})
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, key.String()); err != nil {
			return nil, err
		}
		b = append(b, ':')
		if b, err = appendValue(b, v.MapIndex(key)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	each(v, func(p field, e reflect.Value) bool {
		if p.omitEmpty && isEmpty(e) || p.omitZero && isZero(e) {
			return true
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, p.name...)
		b = append(b, '"', ':')
		b, err = appendValue(b, e)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if v.Type().NumMethod() > 0 {
		if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return z.IsZero()
		}
	}
	return v.IsZero()
}
