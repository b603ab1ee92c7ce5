package install

import (
	"bytes"
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
	// added is above a table that was not there before; addedToLine if the last line
	// of what was there had no end.
	added       = "# Added by hull install.\n"
	addedToLine = "# Added by hull install, and an end to the line above.\n"
	// began and beganEmpty are files that there was nothing in, and that there were
	// not. Every containerd reads version 2, and adds its defaults.
	began      = "# Written by hull install.\nversion = 2\n"
	beganEmpty = "# Written by hull install to an empty file.\nversion = 2\n"
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
	if err := toml.Unmarshal(b, &v); err != nil {
		return nil, tomlError(err)
	}
	return v, nil
}

func (c containerd) install(before []byte, o *Options) (after []byte, notes []string, err error) {
	text := before
	switch {
	case before == nil:
		text = []byte(began)
	case len(before) == 0:
		text = []byte(beganEmpty)
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
	if systemd, _ := at(v, append(slices.Clip(base), "runtimes", "runc", "options", systemdKey)); systemd == true {
		runtime["options"].(map[string]any)[systemdKey] = true
	}
	if after, err = setDefault(whole(text), o, base); err != nil {
		return nil, nil, err
	}
	if after, runtime, err = setRuntime(after, path, runtime, len(whole(text)) > len(text)); err != nil {
		return nil, nil, err
	}
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

// whole gives the last line of a text an end.
func whole(b []byte) []byte {
	if len(b) > 0 && b[len(b)-1] != '\n' {
		return append(slices.Clip(b), '\n')
	}
	return b
}

// setRuntime adds the tables of a runtime, or changes the binary of those that
// somebody else wrote; it returns what they say. ended is that the last line was given
// an end.
func setRuntime(b []byte, path []string, runtime map[string]any, ended bool) ([]byte, map[string]any, error) {
	options := runtime["options"].(map[string]any)
	binary := options["BinaryName"].(string)
	t, err := parseTOML(b)
	if err != nil {
		return nil, nil, err
	}
	comment := added
	if table := t.table(path); table != nil {
		switch own := string(b[table.start:]); {
		case strings.HasPrefix(own, addedToLine):
			comment = addedToLine
		case !strings.HasPrefix(own, added):
			return setBinary(t, path, binary)
		}
		if b, err = withoutTables(b, path); err != nil {
			return nil, nil, err
		}
	} else if ended {
		comment = addedToLine
	}
	section := fmt.Sprintf(comment+"%s\n  runtime_type = %q\n  %s\n    BinaryName = %s\n",
		header(path), shim, header(append(slices.Clip(path), "options")), strconv.Quote(binary))
	if options[systemdKey] == true {
		section += "    " + systemdKey + " = true\n"
	}
	return appended(b, section), runtime, nil
}

// setBinary changes the binary of a runtime that somebody wrote by hand.
func setBinary(t *tomlText, path []string, binary string) ([]byte, map[string]any, error) {
	v, err := decode(t.b)
	if err != nil {
		return nil, nil, err
	}
	there, _ := at(v, path)
	runtime, _ := there.(map[string]any)
	options, _ := runtime["options"].(map[string]any)
	table := t.table(append(slices.Clip(path), "options"))
	if table == nil || options == nil || runtime["runtime_type"] != shim {
		return nil, nil, errEdit
	}
	for _, k := range table.keys {
		if slices.Equal(k.path, []string{"BinaryName"}) && k.end > 0 {
			options["BinaryName"] = binary
			return replaced(t.b, k.start, k.end, strconv.Quote(binary)), runtime, nil
		}
	}
	return nil, nil, errEdit
}

// setDefault makes the runtime the default one, if it is to be; what was is kept in
// a comment.
func setDefault(b []byte, o *Options, base []string) ([]byte, error) {
	if !o.Default {
		return b, nil
	}
	name := o.Name
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
	ended, err := endsText(before, path)
	if err != nil {
		return nil, err
	}
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
	if ended {
		after = bytes.TrimSuffix(after, []byte("\n"))
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
	switch {
	case err != nil:
		return nil, err
	case string(after) == began:
		return nil, nil
	case string(after) == beganEmpty:
		return []byte{}, nil
	}
	return after, nil
}

// endsText reports whether the tables at path are the end of the text, and gave what
// is before an end of its last line.
func endsText(b []byte, path []string) (bool, error) {
	t, err := parseTOML(b)
	if err != nil {
		return false, err
	}
	table := t.table(path)
	if table == nil || !strings.HasPrefix(string(b[table.start:]), addedToLine) {
		return false, nil
	}
	last := t.tables[len(t.tables)-1].path
	return len(last) >= len(path) && slices.Equal(last[:len(path)], path), nil
}
