package install

import "fmt"

// RuntimeClass returns a Kubernetes RuntimeClass for the runtime that containerd
// or CRI-O know by name, and a pod that asks for it, as YAML.
func RuntimeClass(name string) string {
	return fmt.Sprintf(`# kubectl apply -f - runs what says "runtimeClassName: %[1]s" in hull, on nodes where
# hull install has been.
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata:
  name: %[1]s
handler: %[1]s
---
apiVersion: v1
kind: Pod
metadata:
  name: in-%[1]s
spec:
  runtimeClassName: %[1]s
  restartPolicy: Never
  containers:
    - name: hello
      image: busybox
      command: ["uname", "-a"]
`, name)
}
