# hull: build, try, test. `make help` lists the targets.
#
# Packages of Debian that a target needs and that are missing are installed by
# apt-get (through sudo, if you are not root), which the target says first.

GO         ?= go
BIN        ?= bin/hull
PREFIX     ?= /usr/local
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 20s
FLOODTIME  ?= 60s
SEED       ?= 1

# One static binary: libseccomp is linked in, and nothing asks the C library for
# names of users or hosts. The code does not begin where a file offset of 2 MB
# would: the host would map it by huge pages, all of each counted for every process
# that touches some of it.
export CGO_ENABLED = 1
TAGS    = osusergo,netgo
LDFLAGS = -linkmode external -extldflags "-static -Wl,-Ttext-segment=0x410000"
BUILD   = $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)'

# What a target needs: the file or program, and the package that has it.
BUILD_NEEDS = gcc=gcc /usr/include/seccomp.h=libseccomp-dev
UNIT_NEEDS  = $(BUILD_NEEDS) /usr/bin/dbus-daemon=dbus-daemon /usr/sbin/ip=iproute2
RUN_NEEDS   = bash=bash python3=python3 gcc=gcc /usr/include/stdio.h=libc6-dev git=git ps=procps
TEST_NEEDS  = $(BUILD_NEEDS) $(RUN_NEEDS) /usr/sbin/debootstrap=debootstrap /usr/sbin/runc=runc \
	/bin/busybox=busybox-static /usr/sbin/dockerd=docker.io /usr/bin/tshark=tshark /usr/bin/nsenter=util-linux /usr/bin/script=bsdutils \
	/usr/bin/curl=curl /usr/bin/redis-server=redis-server /usr/bin/redis-benchmark=redis-tools /usr/sbin/nginx=nginx \
	/usr/bin/wrk=wrk /usr/bin/iperf3=iperf3 /usr/sbin/sshd=openssh-server /usr/bin/ssh=openssh-client /usr/sbin/ip=iproute2 \
	/usr/sbin/nft=nftables /usr/sbin/ethtool=ethtool /usr/sbin/iptables-nft=iptables /usr/sbin/conntrack=conntrack \
	/usr/bin/ctr=containerd /usr/bin/podman=podman /usr/lib/podman/netavark=netavark /usr/lib/podman/aardvark-dns=aardvark-dns /usr/bin/conmon=conmon /usr/bin/tini-static=tini \
	/usr/bin/docker-compose=docker-compose /usr/bin/newuidmap=uidmap /usr/bin/setpriv=util-linux \
	/usr/bin/wget=wget /usr/bin/node=nodejs /usr/lib/postgresql=postgresql /usr/bin/dig=bind9-dnsutils /usr/bin/ping=iputils-ping \
	/usr/sbin/traceroute=traceroute /usr/bin/tcpdump=tcpdump /usr/bin/dpkg-scanpackages=dpkg-dev

# $(call need,NEEDS) installs the packages of those that are missing.
need = @missing=; for n in $(1); do what=$${n%=*}; \
	command -v $$what >/dev/null || [ -e $$what ] || missing="$$missing $${n\#*=}"; done; \
	[ -z "$$missing" ] && exit 0; echo "installing missing packages:$$missing"; \
	[ `id -u` = 0 ] || S=sudo; $$S apt-get update -q && \
	$$S env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing

# What runs without a sandbox: everything but the tests that start the binary, and
# those of lint. LOCKS of it takes locks that have an order.
UNIT  = $$($(GO) list ./... | grep -Ev '/test/(layers|parity|e2e|posture|escape|lifecycle|oci|net|suites|bench)')
LOCKS = ./sentry/... ./fsimpl/... ./syscalls/... ./platform/...

.PHONY: build run test lint unit lockcheck blackbox bench install fuzz flood escape suites vm help clean

build: ## build bin/hull, one static binary
	$(call need,$(BUILD_NEEDS))
	$(BUILD) -o $(BIN) ./runsc-like

run: build ## show bash, python3, gcc and git at work inside the sandbox
	$(call need,$(RUN_NEEDS))
	@HULL=$(BIN) sh test/demo.sh

test: build lint unit lockcheck blackbox ## everything CI checks
	@echo "make test: passed"

lint: ## gofmt, go vet, staticcheck, the layers
	$(call need,$(BUILD_NEEDS))
	@out=`gofmt -l .`; [ -z "$$out" ] || { echo "gofmt -w is needed for:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	@if command -v staticcheck >/dev/null && staticcheck -version | grep -q '(0.8.2)'; then \
		staticcheck ./...; else $(GO) run $(STATICCHECK) ./...; fi
	$(GO) test ./test/layers

unit: ## unit tests under the race detector
	$(call need,$(UNIT_NEEDS))
	$(GO) test -race -timeout 20m $(UNIT)

lockcheck: ## unit tests that panic when locks are taken out of order
	$(call need,$(UNIT_NEEDS))
	$(GO) test -tags lockcheck -timeout 20m $(LOCKS)

blackbox: build ## parity, end to end, posture, escape and lifecycle tests of the binary, and docker with it
	$(call need,$(TEST_NEEDS))
	HULL_BIN=$(abspath $(BIN)) $(GO) test -count=1 -p 1 -timeout 20m ./test/parity ./test/e2e ./test/posture ./test/escape ./test/lifecycle ./test/oci ./test/net

bench: build ## programs natively and in hull, runc and runsc; containers by hull, runc, crun and runsc
	$(call need,$(TEST_NEEDS) /usr/bin/crun=crun)
	HULL_BIN=$(abspath $(BIN)) $(GO) run ./test/bench

install: build ## copy the binary and its shell completion under PREFIX (/usr/local)
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/hull
	$(BIN) completion bash | install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hull

fuzz: ## each fuzz test for FUZZTIME (20s)
	$(call need,$(BUILD_NEEDS))
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r f; do \
		for t in `sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f`; do \
			echo "== $$t in $${f%/*}"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $${f%/*}; done; done

flood: build ## floods of a sandbox's network, for FLOODTIME (60s) each
	$(call need,$(BUILD_NEEDS) /usr/sbin/ip=iproute2)
	HULL_BIN=$(abspath $(BIN)) HULL_FLOOD=$(FLOODTIME) $(GO) test -count=1 -v -timeout 30m -run Floods ./test/net

escape: build ## random calls, mutated programs and many processes, in the numbers of SPECIFICATION.md; SEED=2 … are other calls
	$(call need,$(BUILD_NEEDS))
	HULL_BIN=$(abspath $(BIN)) HULL_FUZZ_CALLS=100000 HULL_FUZZ_SEED=$(SEED) HULL_FUZZ_ELF=10000 HULL_MANY=10000 \
		$(GO) test -count=1 -v -timeout 60m ./test/escape

suites: build ## Go's and Python's own tests on the host and in hull
	$(call need,$(BUILD_NEEDS) /usr/bin/python3=python3 /usr/sbin/ip=iproute2)
	$(call need,`/usr/bin/python3 -c 'import sys; v = "python3.%d" % sys.version_info[1]; print("/usr/lib/%s/test/test_socket.py=lib%s-testsuite" % (v, v))'`)
	HULL_BIN=$(abspath $(BIN)) $(GO) test -count=1 -v -timeout 60m ./test/suites

vm: build ## checks in virtual machines that have systemd, cgroup v2, v1 and both, AppArmor, SELinux; MODES="unified …" are fewer
	$(call need,/usr/bin/qemu-system-x86_64=qemu-system-x86 /usr/sbin/debootstrap=debootstrap /usr/sbin/mke2fs=e2fsprogs)
	test/vm/run.sh $(abspath $(BIN)) $(MODES)

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

clean: ## remove what was built
	rm -rf bin .cache
