package layers

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// The budgets. Raising one is a decision: say why in the commit.
const (
	maxFile       = 700 // lines
	usualFile     = 600 // lines that 95 % of the files keep to
	maxFunc       = 120 // lines
	kernelFiles   = 30
	kernelLines   = 12000
	maxImplMethod = 8 // of the interfaces that others implement
)

func TestFileBudgets(t *testing.T) {
	var all, long int
	for _, p := range packages(t) {
		lines := 0
		for _, f := range p.files {
			all++
			lines += f.lines
			if f.lines > maxFile {
				t.Errorf("%s has %d lines, more than %d", f.name, f.lines, maxFile)
			}
			if f.lines > usualFile {
				long++
			}
		}
		if p.dir == "sentry/kernel" && (len(p.files) > kernelFiles || lines > kernelLines) {
			t.Errorf("sentry/kernel has %d files with %d lines: what in it is a subject of its own?", len(p.files), lines)
		}
	}
	if long*20 > all {
		t.Errorf("%d of %d files have more than %d lines", long, all, usualFile)
	}
}

func TestFuncBudget(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
				if n > maxFunc && !isTable(fn) {
					t.Errorf("%s: %s has %d lines, more than %d", f.name, fn.Name.Name, n, maxFunc)
				}
			}
		}
	}
}

// isTable reports whether fn is nothing but one expression or a list of calls:
// a table, which may be long.
func isTable(fn *ast.FuncDecl) bool {
	for _, s := range fn.Body.List {
		switch s := s.(type) {
		case *ast.ReturnStmt:
		case *ast.ExprStmt:
			if _, ok := s.X.(*ast.CallExpr); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// The interfaces that many implement stay small, or nobody implements them.
func TestInterfaceBudgets(t *testing.T) {
	budget := map[string]int{
		"platform.Platform": 5, "platform.Context": 4, "platform.AddressSpace": 4,
		"sentry/current.Task": maxImplMethod, "sentry/vfs.FilesystemImpl": maxImplMethod,
		"sentry/vfs.InodeImpl": maxImplMethod, "sentry/vfs.DirImpl": maxImplMethod, "sentry/vfs.FileImpl": maxImplMethod,
	}
	found := 0
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				ts, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				max, ok := budget[p.dir+"."+ts.Name.Name]
				it, isInterface := ts.Type.(*ast.InterfaceType)
				if !ok || !isInterface {
					return true
				}
				found++
				if n := it.Methods.NumFields(); n > max {
					t.Errorf("%s: interface %s has %d methods, more than %d", f.name, ts.Name.Name, n, max)
				}
				return true
			})
		}
	}
	if found != len(budget) {
		t.Errorf("%d of %d interfaces found: the test is out of date", found, len(budget))
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		doc := 0
		for _, f := range p.files {
			if f.ast.Doc != nil {
				doc++
			}
		}
		if doc != 1 {
			t.Errorf("%s has %d package comments; it needs one, that says what it owns", p.dir, doc)
		}
	}
}

// Words that promise work instead of doing it. They are put together here so
// that this file does not have them.
func TestWords(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, g := range f.ast.Comments {
				for _, w := range words {
					for _, field := range strings.FieldsFunc(g.Text(), func(r rune) bool { return r < 'A' || r > 'Z' }) {
						if field == w {
							t.Errorf("%s: a comment says %s: do it, or add a line to the README's table", f.name, w)
						}
					}
				}
			}
		}
	}
}

// No hidden globals: two sandboxes can live in one process. A package-level
// variable is an error value, an assertion, or in this table with its reason.
func TestGlobals(t *testing.T) {
	allowed := map[string]string{
		"sentry/lock.held":         "which locks a goroutine holds, in a build with -tags lockcheck only",
		"sentry/usermem.hostOrder": "the byte order of the machine",
		"sentry/arch.hostXState":   "what CPUID says of the machine, asked once",
		"sentry/arch.features":     "what CPUID says of the machine, asked once",
		"sentry/arch.identify":     "what CPUID says of the machine, asked once",
	}
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, d := range f.ast.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Name.Name == "init" && d.Recv == nil {
						t.Errorf("%s: an init function: state hangs on what a constructor returns", f.name)
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						checkVars(t, p, f, d, allowed)
					}
				}
			}
		}
	}
}

func checkVars(t *testing.T, p *pkg, f file, d *ast.GenDecl, allowed map[string]string) {
	for _, s := range d.Specs {
		vs, ok := s.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range vs.Names {
			if name.Name == "_" || allowed[p.dir+"."+name.Name] != "" || i < len(vs.Values) && isConstant(vs.Values[i]) {
				continue
			}
			if strings.HasPrefix(name.Name, "err") || strings.HasPrefix(name.Name, "Err") {
				continue
			}
			t.Errorf("%s: package-level variable %s", f.name, name.Name)
		}
	}
}

// isConstant reports whether e is a literal array, slice or map of plain values:
// a table that Go has no constant for. That nobody writes to it is for review.
func isConstant(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return false
	}
	plain := true
	ast.Inspect(lit, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			plain = false
		case *ast.UnaryExpr:
			plain = plain && n.Op != token.AND
		}
		return plain
	})
	return plain
}
