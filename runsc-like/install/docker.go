package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
)

// docker edits dockerd's daemon.json:
//
//	{"runtimes": {"hull": {"path": "/usr/local/bin/hull"}}, "default-runtime": "hull"}
//
// The default that is replaced is kept beside the path, where dockerd does not look.
type docker struct{}

const (
	dockerRuntimes = "runtimes"
	dockerDefault  = "default-runtime"
	dockerPath     = "path"
	dockerBefore   = "default-runtime-before"
)

func (docker) reload() string { return "systemctl reload docker" }

// runtime is the runtime's entry as it is to be, in a file that says v. Of one that
// is there the path changes alone.
func (docker) runtime(v map[string]any, o *Options) map[string]any {
	entry := map[string]any{}
	if list, ok := v[dockerRuntimes].(map[string]any); ok {
		if old, ok := list[o.Name].(map[string]any); ok && old[dockerPath] != nil {
			entry = old
		}
	}
	entry[dockerPath] = o.Binary
	switch now := v[dockerDefault]; {
	case now == o.Name: // and what was before stays said
	case o.Default && now != nil:
		entry[dockerBefore] = now
	default:
		delete(entry, dockerBefore)
	}
	return entry
}

func (d docker) install(before []byte, o *Options) (after []byte, notes []string, err error) {
	if o.Default {
		notes = append(notes, "the default runtime changes when dockerd is restarted: systemctl restart docker")
	}
	if len(before) == 0 {
		v := map[string]any{dockerRuntimes: map[string]any{o.Name: d.runtime(nil, o)}}
		if o.Default {
			v[dockerDefault] = o.Name
		}
		after, err = json.MarshalIndent(v, "", "    ")
		if before == nil {
			after = append(after, '\n') // one that was empty has none
		}
		return after, notes, err
	}
	t, err := parseJSON(before)
	if err != nil {
		return nil, nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(before, &v); err != nil {
		return nil, nil, err
	}
	entry := d.runtime(v, o)
	if err := t.setRuntime(o.Name, entry); err != nil {
		return nil, nil, err
	}
	if o.Default {
		if err := t.set(0, dockerDefault, o.Name); err != nil {
			return nil, nil, err
		}
	}
	return t.b, notes, sameJSON(before, t.b, func(v map[string]any) error {
		list, ok := v[dockerRuntimes].(map[string]any)
		if !ok {
			list = map[string]any{}
		}
		list[o.Name] = entry
		v[dockerRuntimes] = list
		if o.Default {
			v[dockerDefault] = o.Name
		}
		return nil
	})
}

// setRuntime makes entry what the runtime's name stands for.
func (t *jsonText) setRuntime(name string, entry map[string]any) error {
	top, err := t.object(0)
	if err != nil {
		return err
	}
	m, ok := top.find(dockerRuntimes)
	if !ok {
		return t.set(0, dockerRuntimes, map[string]any{name: entry})
	}
	list, err := t.object(m.value)
	if err != nil {
		return err
	}
	old, ok := list.find(name)
	if ok {
		var v any
		if err := json.Unmarshal(t.b[old.value:old.end], &v); err == nil && reflect.DeepEqual(v, any(entry)) {
			return nil // as it is written
		}
	}
	return t.set(m.value, name, entry)
}

func (docker) uninstall(before []byte, o *Options) ([]byte, error) {
	if len(before) == 0 {
		return before, nil
	}
	t, err := parseJSON(before)
	if err != nil {
		return nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(before, &v); err != nil {
		return nil, err
	}
	top, err := t.object(0)
	if err != nil {
		return nil, err
	}
	own := t.added(&top)
	list, _ := v[dockerRuntimes].(map[string]any)
	entry, there := list[o.Name].(map[string]any)
	was := entry[dockerBefore]
	switch {
	case v[dockerDefault] != o.Name:
		was = v[dockerDefault]
	case was == nil:
		err = t.remove(0, dockerDefault)
	default:
		err = t.set(0, dockerDefault, was)
	}
	if err == nil && there {
		err = t.removeRuntime(o.Name)
	}
	if err != nil {
		return nil, err
	}
	if top, err = t.object(0); err == nil && len(top.members) == 0 && own {
		if bytes.HasSuffix(t.b, []byte("\n")) {
			return nil, nil // there was nothing but hull
		}
		return []byte{}, nil
	}
	return t.b, sameJSON(before, t.b, func(v map[string]any) error {
		if v[dockerDefault] = was; was == nil {
			delete(v, dockerDefault)
		}
		if list, ok := v[dockerRuntimes].(map[string]any); ok && there {
			delete(list, o.Name)
			if _, kept := top.find(dockerRuntimes); !kept && len(list) == 0 {
				delete(v, dockerRuntimes)
			}
		}
		return nil
	})
}

// removeRuntime takes a runtime away, and the list of them if it was added for it.
func (t *jsonText) removeRuntime(name string) error {
	top, err := t.object(0)
	if err != nil {
		return err
	}
	m, _ := top.find(dockerRuntimes)
	list, err := t.object(m.value)
	if err != nil {
		return err
	}
	if len(list.members) == 1 && t.added(&list) {
		return t.remove(0, dockerRuntimes)
	}
	return t.remove(m.value, name)
}

// errEdit is that a text does not say what it should after it was edited.
var errEdit = errors.New("it is written in a way that cannot be edited here: please do it by hand")

// sameJSON checks that after is before with change.
func sameJSON(before, after []byte, change func(map[string]any) error) error {
	var want, got map[string]any
	if err := json.Unmarshal(before, &want); err != nil {
		return err
	}
	if err := change(want); err != nil {
		return err
	}
	if json.Unmarshal(after, &got) != nil || !reflect.DeepEqual(want, got) {
		return errEdit
	}
	return nil
}
