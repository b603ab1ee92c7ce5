package loader

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// scriptHead is how much of a file is looked at for a #! line (BINPRM_BUF_SIZE).
const scriptHead = 256

// Script reads a #! line: the interpreter and the one argument that may follow
// it. ok is false for a file without one. ENOEXEC for a line without a name, or
// with one that is cut off (fs/binfmt_script.c).
func Script(img Image) (interp, arg string, ok bool, err error) {
	var buf [scriptHead]byte
	n, err := img.ReadAt(buf[:], 0)
	if err != nil {
		return "", "", false, err
	}
	head := buf[:n]
	if !bytes.HasPrefix(head, []byte("#!")) {
		return "", "", false, nil
	}
	line := head[2:]
	whole := n < scriptHead
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line, whole = line[:i], true
	}
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line, whole = line[:i], true
	}
	const blank = " \t"
	line = bytes.TrimLeft(line, blank)
	if !whole {
		// The end of the line is not seen. That is no harm to an argument, but a
		// name must be whole.
		if !bytes.ContainsAny(line, blank) {
			return "", "", false, bad(unix.ENOEXEC, "the interpreter's name in the #! line is too long")
		}
	}
	line = bytes.TrimRight(line, blank)
	if len(line) == 0 {
		return "", "", false, bad(unix.ENOEXEC, "a #! line without an interpreter")
	}
	name, rest := line, []byte(nil)
	if i := bytes.IndexAny(line, blank); i >= 0 {
		name, rest = line[:i], bytes.TrimLeft(line[i:], blank)
	}
	return string(name), string(rest), true, nil
}
