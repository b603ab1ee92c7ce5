package cgroup

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// propertyPrefix begins the annotations that set properties of the systemd unit.
const propertyPrefix = "org.systemd.property."

// propertyAnnotations returns those annotations.
func propertyAnnotations(annotations map[string]string) map[string]string {
	list := map[string]string{}
	for key, value := range annotations {
		if strings.HasPrefix(key, propertyPrefix) {
			list[key] = value
		}
	}
	return list
}

// properties returns what the annotations ask systemd for. A value has the text
// form of GVariant: 'a string', true, uint32 7, ['a', 'list'].
func properties(annotations map[string]string) ([]systemd.Property, error) {
	var list []systemd.Property
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		p, ok := strings.CutPrefix(key, propertyPrefix)
		if !ok {
			continue
		}
		field := fmt.Sprintf("annotations[%q]", key)
		if !isProperty(p) {
			return nil, fieldf(field, "%q is not the name of a property", p)
		}
		v, err := dbus.ParseVariant(annotations[key], dbus.Signature{})
		if err != nil {
			return nil, fieldf(field, "%q: %v", annotations[key], err)
		}
		// Times are given in seconds and sent in microseconds, as systemd's own
		// unit files have them. What ends in USec is given so already.
		if base, ok := strings.CutSuffix(p, "Sec"); ok && base != "" && base[len(base)-1] >= 'a' {
			usec, err := microseconds(v)
			if err != nil {
				return nil, fieldf(field, "%v", err)
			}
			p, v = base+"USec", dbus.MakeVariant(usec)
		}
		list = append(list, systemd.Property{Name: p, Value: v})
	}
	return list, nil
}

// isProperty reports whether s can be the name of a property.
func isProperty(s string) bool {
	const shortest, longest = 3, 64
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(s) >= shortest && len(s) <= longest
}

func microseconds(v dbus.Variant) (uint64, error) {
	var sec float64
	switch n := v.Value().(type) {
	case byte:
		sec = float64(n)
	case int16:
		sec = float64(n)
	case uint16:
		sec = float64(n)
	case int32:
		sec = float64(n)
	case uint32:
		sec = float64(n)
	case int64:
		sec = float64(n)
	case uint64:
		sec = float64(n)
	case float64:
		sec = n
	default:
		return 0, fmt.Errorf("%v is not a number of seconds", v)
	}
	usec := sec * 1e6
	if !(usec >= 0) || usec >= math.MaxInt64 {
		return 0, fmt.Errorf("%v is not a number of seconds", v)
	}
	return uint64(usec), nil
}
