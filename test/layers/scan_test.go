package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "hull"

// pkg is the code of a directory, tests left out.
type pkg struct {
	dir     string            // from the module's root
	imports map[string]string // packages of hull, and a file that imports each
	others  map[string]string // packages of other modules
	files   []file
}

// file is one source file.
type file struct {
	name  string
	lines int
	ast   *ast.File
	fset  *token.FileSet
}

// packages reads the whole module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	byDir := map[string]*pkg{}
	var list []*pkg
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(rel))
		if dir == "." || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		p := byDir[dir]
		if p == nil {
			p = &pkg{dir: dir, imports: map[string]string{}, others: map[string]string{}}
			byDir[dir], list = p, append(list, p)
		}
		return p.add(name, filepath.ToSlash(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (p *pkg) add(name, rel string) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f := file{name: rel, lines: strings.Count(string(src), "\n"), fset: token.NewFileSet()}
	if f.ast, err = parser.ParseFile(f.fset, rel, src, parser.ParseComments); err != nil {
		return err
	}
	p.files = append(p.files, f)
	for _, i := range f.ast.Imports {
		imp, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(imp, "/")
		switch {
		case first == module:
			p.imports[strings.TrimPrefix(imp, module+"/")] = rel
		case strings.Contains(first, "."):
			p.others[imp] = rel
		}
	}
	return nil
}
