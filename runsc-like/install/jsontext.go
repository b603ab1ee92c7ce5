package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// jsonText is a JSON document that is edited as text. It is valid, and an
// object.
//
// What is added can be told from what was there, so that taking it away gives the
// text that was: an object that is added begins with space, and the first member of
// one that was empty comes right behind its brace.
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
		return nil, jsonError(b, err)
	}
	if v == nil {
		return nil, fmt.Errorf("line 1: is not an object")
	}
	return &jsonText{b}, nil
}

// jsonError says in which line of b an error of its decoding is.
func jsonError(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", lineOf(b, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %w", lineOf(b, kind.Offset), err)
	}
	return err
}

// lineOf is the number of the line that the byte before offset is in.
func lineOf(b []byte, offset int64) int {
	before := max(0, min(int(offset)-1, len(b)))
	return 1 + bytes.Count(b[:before], []byte("\n"))
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
		return object{}, fmt.Errorf("line %d: is not an object", lineOf(t.b, int64(i)+1))
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
			return o, fmt.Errorf("line %d: %q is given twice", lineOf(t.b, int64(m.start)+1), m.name)
		}
		o.members = append(o.members, m)
		if i = t.skip(m.end); t.b[i] == ',' {
			i++
		}
	}
	o.close = i
	return o, nil
}

// added reports whether the object at i is one that set added.
func (t *jsonText) added(o *object) bool { return strings.IndexByte(" \t\r\n", t.b[o.open+1]) >= 0 }

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
	inner, lines := outer+step, false
	if len(o.members) > 0 {
		var in string
		if in, lines = t.indent(o.members[0].start); lines {
			inner = in
		}
	}
	text, err := json.MarshalIndent(value, inner, step)
	if !lines {
		text, err = json.Marshal(value)
		if object, ok := bytes.CutPrefix(text, []byte("{")); ok {
			text = append([]byte("{ "), object...)
		}
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
		t.replace(o.open+1, o.open+1, fmt.Sprintf("%s: %s", key, text))
	case lines:
		at := o.members[len(o.members)-1].end
		t.replace(at, at, fmt.Sprintf(",\n%s%s: %s", inner, key, text))
	default:
		at := o.members[len(o.members)-1].end
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
			t.replace(m.start, m.end, "")
		case n > 0:
			t.replace(o.members[n-1].end, m.end, "")
		default:
			t.replace(m.start, o.members[1].start, "")
		}
	}
	return nil
}
