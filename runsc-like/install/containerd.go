package install

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// containerd edits containerd's config.toml: a runtime of the CRI plugin that
// containerd's own shim for runc runs, with another binary.
//
//	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull]
//	  runtime_type = "io.containerd.runc.v2"
//	  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hull.options]
//	    BinaryName = "/usr/local/bin/hull"
//
// Where the plugin is depends on the file's version: 1 (no version is given), 2
// or 3.
type containerd struct{}

const (
	shim        = "io.containerd.runc.v2"
	defaultName = "default_runtime_name"
	systemdKey  = "SystemdCgroup"
	// was says what a value was before, in a comment behind it.
	was = "# hull install: was "
	// added is above a table that was not there before.
	added = "# Added by hull install.\n"
)

func (containerd) reload() string { return "systemctl restart containerd" }

// plugin is where the settings for containers are in a file of a version.
func plugin(v map[string]any) ([]string, error) {
	version := int64(1)
	if n, ok := v["version"]; ok {
		if version, ok = n.(int64); !ok {
			return nil, fmt.Errorf("version: %v is not a number", n)
		}
	}
	switch version {
	case 1:
		return []string{"plugins", "cri", "containerd"}, nil
	case 2:
		return []string{"plugins", "io.containerd.grpc.v1.cri", "containerd"}, nil
	case 3:
		return []string{"plugins", "io.containerd.cri.v1.runtime", "containerd"}, nil
	}
	return nil, fmt.Errorf("version: %d is not known here", version)
}

// header writes a table's header.
func header(path []string) string {
	quoted := make([]string, len(path))
	for i, p := range path {
		if quoted[i] = p; strings.ContainsAny(p, ". \"") {
			quoted[i] = strconv.Quote(p)
		}
	}
	return "[" + strings.Join(quoted, ".") + "]"
}

func decode(b []byte) (map[string]any, error) {
	v := map[string]any{}
	return v, toml.Unmarshal(b, &v)
}

func (c containerd) install(before []byte, o *Options) (after []byte, notes []string, err error) {
	text := before
	if len(before) == 0 {
		text = []byte("version = 2\n") // which every containerd reads, and adds its defaults to
	}
	v, err := decode(text)
	if err != nil {
		return nil, nil, err
	}
	base, err := plugin(v)
	if err != nil {
		return nil, nil, err
	}
	path := append(slices.Clip(base), "runtimes", o.Name)
	runtime := map[string]any{"runtime_type": shim, "options": map[string]any{"BinaryName": o.Binary}}
	systemd, _ := at(v, append(slices.Clip(base), "runtimes", "runc", "options", systemdKey))
	section := fmt.Sprintf(added+"%s\n  runtime_type = %q\n  %s\n    BinaryName = %s\n",
		header(path), shim, header(append(slices.Clip(path), "options")), strconv.Quote(o.Binary))
	if systemd == true {
		runtime["options"].(map[string]any)[systemdKey] = true
		section += "    " + systemdKey + " = true\n"
	}
	if after, err = withoutTables(text, path); err != nil {
		return nil, nil, err
	}
	if o.Default {
		if after, err = setDefault(after, base, o.Name); err != nil {
			return nil, nil, err
		}
	}
	after = appended(after, section)
	if list, ok := v["disabled_plugins"].([]any); ok && (slices.Contains(list, any("cri")) || slices.Contains(list, any("io.containerd.grpc.v1.cri"))) {
		notes = append(notes, "disabled_plugins has the CRI plugin, which is what uses the runtime")
	}
	return after, notes, sameTOML(text, after, func(v map[string]any) error {
		if o.Default {
			if err := putAt(v, append(slices.Clip(base), defaultName), o.Name); err != nil {
				return err
			}
		}
		return putAt(v, path, runtime)
	})
}

// setDefault makes name the default runtime; what was is kept in a comment.
func setDefault(b []byte, base []string, name string) ([]byte, error) {
	t, err := parseTOML(b)
	if err != nil {
		return nil, err
	}
	table := t.table(base)
	if table == nil {
		return appended(b, fmt.Sprintf(added+"%s\n  %s = %q\n", header(base), defaultName, name)), nil
	}
	for _, k := range table.keys {
		if !slices.Equal(k.path, []string{defaultName}) {
			continue
		}
		if k.end == 0 {
			return nil, errEdit
		}
		if string(k.value) == name {
			return b, nil
		}
		return replaced(b, k.start, k.end, fmt.Sprintf("%q %s%q;", name, was, k.value)), nil
	}
	return replaced(b, table.body, table.body, fmt.Sprintf("  %s = %q %snone;\n", defaultName, name, was)), nil
}

// unsetDefault undoes setDefault.
func unsetDefault(b []byte, base []string, name string) ([]byte, error) {
	t, err := parseTOML(b)
	if err != nil {
		return nil, err
	}
	table := t.table(base)
	if table == nil {
		return b, nil
	}
	for _, k := range table.keys {
		if !slices.Equal(k.path, []string{defaultName}) || string(k.value) != name {
			continue
		}
		end := t.lineEnd(k.end)
		comment, rest, ok := strings.Cut(strings.TrimPrefix(string(b[k.end:end]), " "+was), ";")
		if !ok || !strings.HasPrefix(string(b[k.end:end]), " "+was) || comment == "none" {
			return replaced(b, k.line, end, ""), nil
		}
		return replaced(b, k.start, end, comment+rest), nil
	}
	return b, nil
}

func (c containerd) uninstall(before []byte, o *Options) ([]byte, error) {
	if len(before) == 0 {
		return before, nil
	}
	v, err := decode(before)
	if err != nil {
		return nil, err
	}
	base, err := plugin(v)
	if err != nil {
		return nil, err
	}
	path := append(slices.Clip(base), "runtimes", o.Name)
	after, err := withoutTables(before, path)
	if err != nil {
		return nil, err
	}
	if after, err = unsetDefault(after, base, o.Name); err != nil {
		return nil, err
	}
	// A table that was added for the default alone goes too.
	after, err = without(after, func(s *tomlTable) bool {
		return slices.Equal(s.path, base) && len(s.keys) == 0 && strings.HasPrefix(string(after[s.start:]), added)
	})
	if err != nil {
		return nil, err
	}
	err = sameTOML(before, after, func(v map[string]any) error {
		if err := putAt(v, path, nil); err != nil {
			return err
		}
		def := append(slices.Clip(base), defaultName)
		if name, _ := at(v, def); name == o.Name {
			left, err := decode(after)
			if err != nil {
				return err
			}
			was, _ := at(left, def)
			return putAt(v, def, was)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if string(after) == "version = 2\n" && len(after) < len(before) {
		return nil, nil // there was nothing but hull
	}
	return after, nil
}
