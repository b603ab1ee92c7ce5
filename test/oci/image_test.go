package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// image is what the cases run: busybox, under this name.
const image = "docker.io/library/hull-test:1"

// makeImage makes the image, of one layer, in the form that `docker save` has.
func makeImage(t *testing.T, file string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "image")
	script := `set -e; mkdir -p "$0/bin" "$0/etc" "$0/tmp" "$0/root"; chmod 1777 "$0/tmp"; cp /bin/busybox "$0/bin/"
for a in $(/bin/busybox --list); do ln -s busybox "$0/bin/$a" 2>/dev/null || :; done
echo root:x:0:0:root:/root:/bin/sh >"$0/etc/passwd"; echo root:x:0: >"$0/etc/group"; tar -C "$0" -cf "$0.tar" .`
	if out, err := exec.Command("sh", "-c", script, root).CombinedOutput(); err != nil {
		t.Fatalf("image: %v\n%s", err, out)
	}
	layer, err := os.ReadFile(root + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(layer))
	config, _ := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/sh"}, "Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum}},
	})
	name := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, _ := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{image}, "Layers": []string{sum + "/layer.tar"}}})
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range []struct {
		name string
		data []byte
	}{{name, config}, {sum + "/layer.tar", layer}, {"manifest.json", manifest}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
