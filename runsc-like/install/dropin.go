package install

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// dropIn is a file of hull's own in a directory of pieces of configuration:
// nobody else's text is touched.
type dropIn struct {
	text func(o *Options) string
	tell string
}

const dropInMark = "# Written by hull install; hull uninstall removes it.\n"

func podmanText(o *Options) string {
	s := dropInMark + "\n[engine.runtimes]\n" + fmt.Sprintf("%s = [%q]\n", o.Name, o.Binary)
	if o.Default {
		s += fmt.Sprintf("\n[engine]\nruntime = %q\n", o.Name)
	}
	return s
}

func crioText(o *Options) string {
	s := dropInMark
	if o.Default {
		s += fmt.Sprintf("\n[crio.runtime]\ndefault_runtime = %q\n", o.Name)
	}
	return s + fmt.Sprintf("\n[crio.runtime.runtimes.%s]\nruntime_path = %q\nruntime_type = \"oci\"\nruntime_root = \"/run/hull\"\n", o.Name, o.Binary)
}

func (d dropIn) reload() string { return d.tell }

func (d dropIn) install(before []byte, o *Options) (after []byte, notes []string, err error) {
	if err := d.mine(before); err != nil {
		return nil, nil, err
	}
	after = []byte(d.text(o))
	var v map[string]any
	return after, nil, toml.Unmarshal(after, &v)
}

func (d dropIn) uninstall(before []byte, _ *Options) ([]byte, error) {
	if before == nil {
		return nil, nil
	}
	return nil, d.mine(before)
}

// mine refuses a file that somebody else wrote.
func (dropIn) mine(b []byte) error {
	if b == nil || strings.HasPrefix(string(b), dropInMark) {
		return nil
	}
	return fmt.Errorf("is there, and hull install did not write it")
}
