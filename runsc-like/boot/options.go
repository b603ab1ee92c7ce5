package boot

import (
	"slices"
	"strings"

	"hull/runsc-like/control"
)

// mountOptions are the options of a mount, as mount(8) splits them.
type mountOptions struct {
	flags  uint64 // MS_*
	copyUp bool   // what the file system hides is copied into it
	data   string // the file system's own
}

// parseOptions splits options into flags and what is the file system's. Of
// propagation only private exists here, so what asks for another is accepted
// and means that.
func (s *sandbox) parseOptions(options []string) mountOptions {
	m := mountOptions{copyUp: slices.Contains(options, control.OptionCopyUp)}
	var data []string
	for _, name := range options {
		o, ok := s.options[name]
		switch {
		case !ok:
			data = append(data, name)
		case o.Clear:
			m.flags &^= o.Flag
		default:
			m.flags |= o.Flag
		}
	}
	m.data = strings.Join(data, ",")
	return m
}
