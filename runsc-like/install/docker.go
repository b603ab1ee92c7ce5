package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// docker edits dockerd's daemon.json:
//
//	{"runtimes": {"hull": {"path": "/usr/local/bin/hull"}}, "default-runtime": "hull"}
type docker struct{}

const (
	dockerRuntimes = "runtimes"
	dockerDefault  = "default-runtime"
)

func (docker) reload() string { return "systemctl reload docker" }

func (docker) install(before []byte, o *Options) (after []byte, notes []string, err error) {
	text := before
	if len(before) == 0 {
		text = []byte("{}\n")
	}
	t, err := parseJSON(text)
	if err != nil {
		return nil, nil, err
	}
	runtimes, err := t.ensure(dockerRuntimes)
	if err != nil {
		return nil, nil, err
	}
	if err := t.set(runtimes, o.Name, map[string]any{"path": o.Binary}); err != nil {
		return nil, nil, err
	}
	if o.Default {
		if err := t.set(0, dockerDefault, o.Name); err != nil {
			return nil, nil, err
		}
		notes = append(notes, "the default runtime changes when dockerd is restarted: systemctl restart docker")
	}
	return t.b, notes, sameJSON(text, t.b, func(v map[string]any) error {
		list, ok := v[dockerRuntimes].(map[string]any)
		if !ok {
			list = map[string]any{}
		}
		list[o.Name] = map[string]any{"path": o.Binary}
		v[dockerRuntimes] = list
		if o.Default {
			v[dockerDefault] = o.Name
		}
		return nil
	})
}

// ensure returns the offset of the top level's member name, an object that is
// made if it is not there.
func (t *jsonText) ensure(name string) (int, error) {
	for {
		top, err := t.object(0)
		if err != nil {
			return 0, err
		}
		if m, ok := top.find(name); ok {
			if _, err := t.object(m.value); err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			return m.value, nil
		}
		if err := t.set(0, name, map[string]any{}); err != nil {
			return 0, err
		}
	}
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
	list, _ := v[dockerRuntimes].(map[string]any)
	_, there := list[o.Name]
	if v[dockerDefault] == o.Name {
		if err := t.remove(0, dockerDefault); err != nil {
			return nil, err
		}
	}
	if there && len(list) == 1 {
		err = t.remove(0, dockerRuntimes)
	} else if there {
		var at int
		if at, err = t.ensure(dockerRuntimes); err == nil {
			err = t.remove(at, o.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	err = sameJSON(before, t.b, func(v map[string]any) error {
		if v[dockerDefault] == o.Name {
			delete(v, dockerDefault)
		}
		if list, ok := v[dockerRuntimes].(map[string]any); ok && there {
			if delete(list, o.Name); len(list) == 0 {
				delete(v, dockerRuntimes)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if top, err := t.object(0); err == nil && len(top.members) == 0 && len(v) > 0 {
		return nil, nil // there was nothing but hull
	}
	return t.b, nil
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
