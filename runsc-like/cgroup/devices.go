package cgroup

import (
	"fmt"
	"strings"

	devices "github.com/opencontainers/cgroups/devices/config"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// memMajor is the number of the memory devices: null, zero and so on.
const memMajor = 1

// standardDevices are the rules behind those of the specification: those of the
// devices that every container has, and that any node may be made, which opens
// nothing.
func standardDevices() []specs.LinuxDeviceCgroup {
	var list []specs.LinuxDeviceCgroup
	add := func(kind string, major, minor int64, access string) {
		d := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
		if major != devices.Wildcard {
			d.Major = &major
		}
		if minor != devices.Wildcard {
			d.Minor = &minor
		}
		list = append(list, d)
	}
	add("c", devices.Wildcard, devices.Wildcard, "m")
	add("b", devices.Wildcard, devices.Wildcard, "m")
	for _, minor := range []int64{3, 5, 7, 8, 9} { // null zero full random urandom
		add("c", memMajor, minor, "rwm")
	}
	add("c", 5, 0, "rwm")                  // tty
	add("c", 5, 2, "rwm")                  // ptmx
	add("c", 136, devices.Wildcard, "rwm") // pts/*
	return list
}

// rules turns rules of the specification, which Check found right, into the
// library's. What no rule allows is denied.
func rules(list []specs.LinuxDeviceCgroup) []*devices.Rule {
	var out []*devices.Rule
	number := func(n *int64) int64 {
		if n == nil {
			return devices.Wildcard
		}
		return *n
	}
	for _, d := range list {
		r := &devices.Rule{
			Type: devices.WildcardDevice, Major: number(d.Major), Minor: number(d.Minor),
			Permissions: devices.Permissions(d.Access), Allow: d.Allow,
		}
		if d.Type != "" {
			r.Type = devices.Type(d.Type[0])
		}
		if r.Type == 'u' {
			r.Type = devices.CharDevice
		}
		if r.Permissions == "" {
			r.Permissions = "rwm"
		}
		out = append(out, r)
	}
	return out
}

func checkDevices(r *specs.LinuxResources) error {
	if len(r.Devices) > maxList {
		return fieldf("linux.resources.devices", "has more than %d rules", maxList)
	}
	for i, d := range r.Devices {
		field := fmt.Sprintf("linux.resources.devices[%d].", i)
		switch d.Type {
		case "", "a", "b", "c", "u":
		default:
			return fieldf(field+"type", "%q is none of a, b and c", d.Type)
		}
		if strings.Trim(d.Access, "rwm") != "" || len(d.Access) > 3 {
			return fieldf(field+"access", "%q is not of r, w and m", d.Access)
		}
		for name, n := range map[string]*int64{"major": d.Major, "minor": d.Minor} {
			if n != nil && (*n < devices.Wildcard || *n > 1<<32-1) {
				return fieldf(field+name, "%d is no device number", *n)
			}
		}
		if (d.Type == "" || d.Type == "a") && (d.Major != nil && *d.Major != devices.Wildcard || d.Minor != nil && *d.Minor != devices.Wildcard) {
			return fieldf(field+"type", "the rule has a number, so it needs b or c")
		}
	}
	return nil
}
