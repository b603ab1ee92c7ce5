package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// jsonText is a JSON document that is edited as text. It is valid, and an
// object.
type jsonText struct{ b []byte }

// member is one of an object, by offsets.
type member struct {
	name       string
	start      int // of the name
	value, end int
}

// object is an object, by offsets: of its braces, and its members.
type object struct {
	open, close int
	members     []member
}

func parseJSON(b []byte) (*jsonText, error) {
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("is not an object")
	}
	return &jsonText{b}, nil
}

// skip returns the offset behind space.
func (t *jsonText) skip(i int) int {
	for i < len(t.b) && strings.IndexByte(" \t\r\n", t.b[i]) >= 0 {
		i++
	}
	return i
}

// past returns the offset behind the value at i.
func (t *jsonText) past(i int) int {
	switch t.b[i] {
	case '"':
		for i++; t.b[i] != '"'; i++ {
			if t.b[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; {
			switch t.b[i] {
			case '"':
				i = t.past(i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(t.b) && strings.IndexByte(",]} \t\r\n", t.b[i]) < 0 {
		i++
	}
	return i
}

// object reads the object at i.
func (t *jsonText) object(i int) (object, error) {
	i = t.skip(i)
	if t.b[i] != '{' {
		return object{}, fmt.Errorf("byte %d: is not an object", i)
	}
	o := object{open: i}
	for i = t.skip(i + 1); t.b[i] != '}'; i = t.skip(i) {
		m := member{start: i}
		i = t.past(i)
		if err := json.Unmarshal(t.b[m.start:i], &m.name); err != nil {
			return o, err
		}
		m.value = t.skip(t.skip(i) + 1) // the colon
		m.end = t.past(m.value)
		if _, twice := o.find(m.name); twice {
			return o, fmt.Errorf("byte %d: %q is given twice", m.start, m.name)
		}
		o.members = append(o.members, m)
		if i = t.skip(m.end); t.b[i] == ',' {
			i++
		}
	}
	o.close = i
	return o, nil
}

func (o *object) find(name string) (member, bool) {
	for _, m := range o.members {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}

func (t *jsonText) replace(from, to int, text string) {
	t.b = bytes.Join([][]byte{t.b[:from], []byte(text), t.b[to:]}, nil)
}

// indent returns the space that begins the line of i, and whether there is
// nothing else before i.
func (t *jsonText) indent(i int) (string, bool) {
	line := bytes.LastIndexByte(t.b[:i], '\n') + 1
	end := line
	for end < i && (t.b[end] == ' ' || t.b[end] == '\t') {
		end++
	}
	return string(t.b[line:end]), end == i
}

// step is what the document is indented by.
func (t *jsonText) step() string {
	top, err := t.object(0)
	if err == nil && len(top.members) > 0 {
		if in, alone := t.indent(top.members[0].start); alone && in != "" {
			return in
		}
	}
	return "    "
}

// set gives the object at i the member name, at its end if it is new.
func (t *jsonText) set(i int, name string, value any) error {
	o, err := t.object(i)
	if err != nil {
		return err
	}
	step := t.step()
	outer, _ := t.indent(o.open)
	inner, lines := outer+step, true
	at := o.open + 1 // behind what it comes
	if n := len(o.members); n > 0 {
		at = o.members[n-1].end
		var in string
		if in, lines = t.indent(o.members[0].start); lines {
			inner = in
		}
	}
	text, err := json.MarshalIndent(value, inner, step)
	if !lines {
		text, err = json.Marshal(value)
	}
	if err != nil {
		return err
	}
	if m, ok := o.find(name); ok {
		t.replace(m.value, m.end, string(text))
		return nil
	}
	key, err := json.Marshal(name)
	if err != nil {
		return err
	}
	switch {
	case len(o.members) == 0:
		t.replace(o.open, o.close+1, fmt.Sprintf("{\n%s%s: %s\n%s}", inner, key, text, outer))
	case lines:
		t.replace(at, at, fmt.Sprintf(",\n%s%s: %s", inner, key, text))
	default:
		t.replace(at, at, fmt.Sprintf(", %s: %s", key, text))
	}
	return nil
}

// remove takes the member name from the object at i.
func (t *jsonText) remove(i int, name string) error {
	o, err := t.object(i)
	if err != nil {
		return err
	}
	for n, m := range o.members {
		switch {
		case m.name != name:
		case len(o.members) == 1:
			t.replace(o.open, o.close+1, "{}")
		case n > 0:
			t.replace(o.members[n-1].end, m.end, "")
		default:
			t.replace(m.start, o.members[1].start, "")
		}
	}
	return nil
}
