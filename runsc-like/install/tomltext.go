package install

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlText is a TOML document that is edited as text.
type tomlText struct {
	b []byte
	// tables are the parts of the text: the top level, then each header with
	// what follows it and the comment right above it.
	tables []tomlTable
}

type tomlTable struct {
	path       []string // nil is the top level
	start, end int
	body       int // behind the header's line
	keys       []tomlKey
}

// tomlKey is a key of a table, by offsets.
type tomlKey struct {
	path  []string
	line  int // where its line begins
	value []byte
	// start and end are of a value that is a string.
	start, end int
}

func parseTOML(b []byte) (*tomlText, error) {
	var v map[string]any
	if err := toml.Unmarshal(b, &v); err != nil {
		return nil, tomlError(err)
	}
	t := &tomlText{b: b, tables: []tomlTable{{}}}
	var p unstable.Parser
	p.Reset(b)
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			line := t.lineStart(at)
			start := t.comment(line)
			t.tables[len(t.tables)-1].end = start
			t.tables = append(t.tables, tomlTable{path: path, start: start, body: t.lineEnd(at)})
		case unstable.KeyValue:
			k := tomlKey{path: path, line: t.lineStart(at)}
			if v := e.Value(); v.Kind == unstable.String && v.Raw.Length > 0 {
				k.value, k.start = bytes.Clone(v.Data), int(v.Raw.Offset)
				k.end = k.start + int(v.Raw.Length)
			}
			last := &t.tables[len(t.tables)-1]
			last.keys = append(last.keys, k)
		}
	}
	t.tables[len(t.tables)-1].end = len(b)
	return t, p.Error()
}

// tomlError says in which line an error of decoding is.
func tomlError(err error) error {
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, _ := at.Position()
		return fmt.Errorf("line %d: %w", line, err)
	}
	return err
}

// keyOf returns the path of a header or key, and where it is.
func keyOf(e *unstable.Node) (path []string, at int) {
	at = -1
	for it := e.Key(); it.Next(); {
		n := it.Node()
		path = append(path, string(n.Data))
		if at < 0 {
			at = int(n.Raw.Offset)
		}
	}
	return path, max(at, 0)
}

func (t *tomlText) lineStart(i int) int { return bytes.LastIndexByte(t.b[:i], '\n') + 1 }

func (t *tomlText) lineEnd(i int) int {
	if n := bytes.IndexByte(t.b[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(t.b)
}

// comment returns where the comment begins that is right above the line at i.
func (t *tomlText) comment(i int) int {
	for i > 0 {
		above := t.lineStart(i - 1)
		if !strings.HasPrefix(strings.TrimSpace(string(t.b[above:i])), "#") {
			break
		}
		i = above
	}
	return i
}

func (t *tomlText) table(path []string) *tomlTable {
	for i := range t.tables {
		if slices.Equal(t.tables[i].path, path) {
			return &t.tables[i]
		}
	}
	return nil
}

func replaced(b []byte, from, to int, text string) []byte {
	return bytes.Join([][]byte{b[:from], []byte(text), b[to:]}, nil)
}

// appended adds tables at the end of a text of whole lines, behind an empty one.
func appended(b []byte, text string) []byte { return append(slices.Clip(b), "\n"+text...) }

// withoutTables takes out the tables at path and below.
func withoutTables(b []byte, path []string) ([]byte, error) {
	return without(b, func(s *tomlTable) bool { return len(s.path) >= len(path) && slices.Equal(s.path[:len(path)], path) })
}

// without takes out tables, each with the comment right above and the empty line
// before that.
func without(b []byte, which func(*tomlTable) bool) ([]byte, error) {
	t, err := parseTOML(b)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(t.tables) {
		if s.path == nil || !which(&s) {
			continue
		}
		start := s.start
		if start > 0 && strings.TrimSpace(string(t.b[t.lineStart(start-1):start])) == "" {
			start = t.lineStart(start - 1)
		}
		// Empty lines before what follows are that one's.
		end := s.end
		for end > s.body && end < len(t.b) && strings.TrimSpace(string(t.b[t.lineStart(end-1):end])) == "" {
			end = t.lineStart(end - 1)
		}
		b = replaced(b, start, end, "")
	}
	return b, nil
}

// at returns what is at path in a decoded document.
func at(v map[string]any, path []string) (any, bool) {
	var x any = v
	for _, name := range path {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, false
		}
		if x, ok = m[name]; !ok {
			return nil, false
		}
	}
	return x, true
}

// putAt stores a value at path, or takes it out if it is nil, with the tables
// above that then are empty.
func putAt(v map[string]any, path []string, value any) error {
	if len(path) == 1 {
		if v[path[0]] = value; value == nil {
			delete(v, path[0])
		}
		return nil
	}
	m, ok := v[path[0]].(map[string]any)
	if !ok {
		if _, other := v[path[0]]; other {
			return fmt.Errorf("%s is not a table", path[0])
		}
		m = map[string]any{}
		v[path[0]] = m
	}
	if err := putAt(m, path[1:], value); err != nil {
		return err
	}
	if len(m) == 0 && value == nil {
		delete(v, path[0])
	}
	return nil
}

// sameTOML checks that after is before with change. Tables that are empty count
// as not there.
func sameTOML(before, after []byte, change func(map[string]any) error) error {
	var want, got map[string]any
	if err := toml.Unmarshal(before, &want); err != nil {
		return err
	}
	if want == nil {
		want = map[string]any{}
	}
	if err := change(want); err != nil {
		return err
	}
	if toml.Unmarshal(after, &got) != nil || !reflect.DeepEqual(pruned(want), pruned(got)) {
		return errEdit
	}
	return nil
}

// pruned returns v without empty tables.
func pruned(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, e := range v {
		if m, ok := e.(map[string]any); ok {
			if m = pruned(m); len(m) == 0 {
				continue
			}
			e = m
		}
		out[k] = e
	}
	return out
}
