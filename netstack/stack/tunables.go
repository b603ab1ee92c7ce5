package stack

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/frag"
	"hull/netstack/neigh"
)

// value is a tunable's value: up to three numbers, or a string.
type value struct {
	v    [3]atomic.Int64
	text atomic.Pointer[string]
}

// conf4 and conf6 are the tunables of one interface, of `all` or of `default`.
type (
	conf4 [nConf4]atomic.Int32
	conf6 [nConf6]atomic.Int32
)

func (c *conf4) init() {
	for i := range c {
		c[i].Store(conf4Specs[i].initial)
	}
}

func (c *conf6) init() {
	for i := range c {
		c[i].Store(conf6Specs[i].initial)
	}
}

// initTunables sets Linux's first values.
func (s *Stack) initTunables() {
	for i := range s.tunables {
		spec := &tunableSpecs[i]
		for j, v := range spec.initial {
			s.tunables[i].v[j].Store(v)
		}
		s.tunables[i].text.Store(&spec.text)
	}
	s.conf4All.init()
	s.conf4Default.init()
	s.conf6All.init()
	s.conf6Default.init()
	s.reserved.Store(&portSet{})
}

// tune returns the first number of a tunable, tuneN number n.
func (s *Stack) tune(t tunable) int64         { return s.tunables[t].v[0].Load() }
func (s *Stack) tuneN(t tunable, n int) int64 { return s.tunables[t].v[n].Load() }

// tuneText returns a tunable that is a string.
func (s *Stack) tuneText(t tunable) string { return *s.tunables[t].text.Load() }

func (s *Stack) tuneAll4(i int) int32 { return s.conf4All[i].Load() }

// and4, or4 and max4 put an interface's value and that of `all` together, as
// Linux does for each tunable in one of the three ways.
func (n *NIC) and4(i int) bool {
	return n.conf4[i].Load() != 0 && n.stack.conf4All[i].Load() != 0
}

func (n *NIC) or4(i int) bool {
	return n.conf4[i].Load() != 0 || n.stack.conf4All[i].Load() != 0
}

func (n *NIC) max4(i int) int32 {
	return max(n.conf4[i].Load(), n.stack.conf4All[i].Load())
}

// portRange is where ephemeral ports are taken from.
func (s *Stack) portRange() portRange {
	return portRange{low: int(s.tuneN(tIPLocalPortRange, 0)), high: int(s.tuneN(tIPLocalPortRange, 1)), reserved: s.reserved.Load()}
}

// Who writes to these has what was learnt of paths forgotten.
const (
	flushRoutes4 = "ipv4/route/flush"
	flushRoutes6 = "ipv6/route/flush"
)

// Tunable returns a value below /proc/sys/net, by its path ("ipv4/ip_forward",
// "ipv4/tcp_rmem", "core/somaxconn", "ipv6/conf/eth0/disable_ipv6"): ENOENT.
func (s *Stack) Tunable(path string) (string, error) {
	if path == flushRoutes4 || path == flushRoutes6 {
		return "", unix.EACCES
	}
	if i := findTunable(path); i >= 0 {
		return s.formatTunable(tunable(i)), nil
	}
	if v, _, ok := s.confValue(path); ok {
		return strconv.Itoa(int(v.Load())), nil
	}
	if nic, name, ok := s.secretAt(path); ok {
		return s.secretText(nic, name)
	}
	if f, v, ok := s.neighValue(path); ok {
		return strconv.FormatInt(f.get(v), 10), nil
	}
	return "", unix.ENOENT
}

// SetTunable sets one: ENOENT, EINVAL, EACCES for one that is only read.
func (s *Stack) SetTunable(path, value string) error {
	if value == "" {
		return nil // nothing was written
	}
	if nic, name, ok := s.secretAt(path); ok {
		return s.setSecret(nic, name, value)
	}
	value = strings.TrimSpace(value)
	if path == flushRoutes4 || path == flushRoutes6 {
		if _, err := strconv.ParseInt(value, 0, 32); err != nil {
			return unix.EINVAL
		}
		s.pmtus.flush(path == flushRoutes6)
		s.epoch.Add(1)
		return nil
	}
	if i := findTunable(path); i >= 0 {
		err := s.setTunable(tunable(i), value)
		s.tcpTunablesChanged()
		return err
	}
	if v, mode, ok := s.confValue(path); ok {
		n, err := strconv.ParseInt(value, 0, 32)
		switch {
		case mode&0o200 == 0:
			return unix.EACCES
		case err != nil:
			return unix.EINVAL
		}
		return s.setConf(path, v, int32(n))
	}
	if f, _, ok := s.neighValue(path); ok {
		n, err := strconv.ParseInt(value, 0, 64)
		if err != nil || n < 0 {
			return unix.EINVAL
		}
		s.setNeigh(path, f, n)
		return nil
	}
	return unix.ENOENT
}

// Tunables returns all paths, sorted, with the permission bits of their files.
func (s *Stack) Tunables() []TunableInfo {
	var out []TunableInfo
	for i := range tunableSpecs {
		out = append(out, TunableInfo{tunableSpecs[i].path, tunableSpecs[i].mode})
	}
	out = append(out, TunableInfo{flushRoutes4, 0o200}, TunableInfo{flushRoutes6, 0o200})
	names := []string{"all", "default"}
	for _, n := range s.NICs() {
		names = append(names, n.Name())
	}
	for _, name := range names {
		for i := range conf4Specs {
			out = append(out, TunableInfo{"ipv4/conf/" + name + "/" + conf4Specs[i].name, conf4Specs[i].mode})
		}
		for i := range conf6Specs {
			out = append(out, TunableInfo{"ipv6/conf/" + name + "/" + conf6Specs[i].name, conf6Specs[i].mode})
		}
		out = append(out, TunableInfo{"ipv6/conf/" + name + "/" + stableSecret, 0o600})
		if n := s.NICByName(name); name != "default" && (n == nil || n.Neighbors(false) == nil) {
			continue // what has no neighbours (lo, and "all")
		}
		for i := range neighFields {
			if neighFields[i].onlyDefault && name != "default" {
				continue
			}
			out = append(out, TunableInfo{"ipv4/neigh/" + name + "/" + neighFields[i].name, 0o644},
				TunableInfo{"ipv6/neigh/" + name + "/" + neighFields[i].name, 0o644})
		}
	}
	slices.SortFunc(out, func(a, b TunableInfo) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func findTunable(path string) int {
	for i := range tunableSpecs {
		if tunableSpecs[i].path == path {
			return i
		}
	}
	return -1
}

func (s *Stack) formatTunable(t tunable) string {
	spec := &tunableSpecs[t]
	switch {
	case t == tTCPFastopenKey:
		return fastOpenKeyText(s.tcpState.secrets.FastOpenKey())
	case spec.n == 0:
		return s.tuneText(t)
	}
	var parts []string
	for i := range spec.n {
		parts = append(parts, strconv.FormatInt(s.tuneN(t, i), 10))
	}
	return strings.Join(parts, "\t")
}

// setTunable takes up to as many numbers as the tunable has, as Linux does: what
// is not given stays.
func (s *Stack) setTunable(t tunable, text string) error {
	spec := &tunableSpecs[t]
	if spec.mode&0o200 == 0 {
		return unix.EACCES
	}
	if spec.n == 0 {
		return s.setText(t, text)
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || t == tIPLocalPortRange && len(fields) < spec.n {
		return unix.EINVAL
	}
	lo, hi := spec.lo, spec.hi
	switch {
	case t == tTCPReordering:
		hi = s.tune(tTCPMaxReordering)
	case t == tIPUnprivilegedPortStart:
		hi = s.tuneN(tIPLocalPortRange, 0)
	case lo == 0 && hi == 0:
		lo, hi = -1<<31, 1<<31-1
	}
	var vs [3]int64
	for i := range spec.n {
		vs[i] = s.tuneN(t, i)
	}
	// What is more than the numbers that there are is not looked at, and one that is
	// wrong does not take back those before it.
	var bad error
	for i, f := range fields[:min(len(fields), spec.n)] {
		v, ok := parseTunable(f)
		if !ok || v < lo || v > hi {
			bad = unix.EINVAL
			break
		}
		if spec.step != 0 {
			v = (v + spec.step - 1) / spec.step * spec.step
		}
		vs[i] = v
	}
	switch {
	case t == tIPLocalPortRange && (vs[0] > vs[1] || vs[0] < s.tune(tIPUnprivilegedPortStart) || bad != nil):
		return unix.EINVAL
	case t == tPingGroupRange && vs[0] > vs[1]:
		vs[0], vs[1] = 1, 0 // nobody
	}
	for i := range spec.n {
		s.tunables[t].v[i].Store(vs[i])
	}
	s.tuned(t)
	return bad
}

// parseTunable reads a number as Linux does: decimal, octal after a 0, or
// hexadecimal after 0x, with a minus sign at most.
func parseTunable(f string) (int64, bool) {
	digits, negative := strings.CutPrefix(f, "-")
	base := 10
	switch {
	case digits == "" || digits[0] < '0' || digits[0] > '9':
		return 0, false
	case len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X"):
		digits, base = digits[2:], 16
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	v, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		return 0, false
	}
	if negative {
		return -int64(v), true
	}
	return int64(v), true
}

func (s *Stack) setText(t tunable, text string) error {
	switch t {
	case tIPLocalReservedPorts:
		set, ok := parseReserved(text)
		if !ok {
			return unix.EINVAL
		}
		s.reserved.Store(set)
	case tTCPFastopenKey:
		key, ok := parseFastOpenKey(text)
		if !ok {
			return unix.EINVAL
		}
		s.tcpState.secrets.SetFastOpenKey(key)
		return nil
	case tTCPCongestionControl:
		if !slices.Contains(strings.Fields(s.tuneText(tTCPAvailableCongestionControl)), text) {
			return unix.ENOENT
		}
	case tTCPAllowedCongestionControl:
		for _, f := range strings.Fields(text) {
			if !slices.Contains(strings.Fields(s.tuneText(tTCPAvailableCongestionControl)), f) {
				return unix.ENOENT
			}
		}
	}
	text = strings.Clone(text)
	s.tunables[t].text.Store(&text)
	return nil
}

// fastOpenKeyText is a key as four words.
func fastOpenKeyText(k [16]byte) string {
	w := func(i int) uint32 { return binary.LittleEndian.Uint32(k[i*4:]) }
	return fmt.Sprintf("%08x-%08x-%08x-%08x", w(0), w(1), w(2), w(3))
}

// parseFastOpenKey reads one. Of two with a comma between them the first is the key.
func parseFastOpenKey(text string) (k [16]byte, ok bool) {
	text, _, _ = strings.Cut(text, ",")
	words := strings.Split(text, "-")
	if len(words) != 4 {
		return k, false
	}
	for i, w := range words {
		v, err := strconv.ParseUint(w, 16, 32)
		if err != nil {
			return k, false
		}
		binary.LittleEndian.PutUint32(k[i*4:], uint32(v))
	}
	return k, true
}

// tuned makes what follows from a tunable true.
func (s *Stack) tuned(t tunable) {
	switch t {
	case tIPForward:
		on := int32(s.tune(t))
		s.conf4All[conf4Forwarding].Store(on)
		s.forwardAll4(on)
	case tICMPMsgsPerSec, tICMPMsgsBurst:
		s.icmpLimit.Set(int(s.tune(tICMPMsgsPerSec)), int(s.tune(tICMPMsgsBurst)))
	case tIPFragHighThresh, tIPFragTime:
		s.frags4.SetConfig(fragConfig(s.tune(tIPFragHighThresh), s.tune(tIPFragTime)))
		s.taps.frags.SetConfig(fragConfig(s.tune(tIPFragHighThresh), s.tune(tIPFragTime)))
	case tV6FragHighThresh, tV6FragTime:
		s.frags6.SetConfig(fragConfig(s.tune(tV6FragHighThresh), s.tune(tV6FragTime)))
	}
}

func fragConfig(high, seconds int64) frag.Config {
	c := frag.DefaultConfig(time.Duration(seconds) * time.Second)
	c.High = int(high)
	return c
}

// forwardAll4 turns forwarding on or off everywhere, as writing to ip_forward does.
func (s *Stack) forwardAll4(on int32) {
	s.conf4Default[conf4Forwarding].Store(on)
	for _, n := range s.NICs() {
		n.conf4[conf4Forwarding].Store(on)
	}
	s.epoch.Add(1)
}

// confValue finds ipv4/conf/NAME/X and ipv6/conf/NAME/X.
func (s *Stack) confValue(path string) (v *atomic.Int32, mode uint32, ok bool) {
	family, name, item, ok := splitConf(path, "conf")
	if !ok {
		return nil, 0, false
	}
	var nic *NIC
	if name != "all" && name != "default" {
		if nic = s.NICByName(name); nic == nil {
			return nil, 0, false
		}
	}
	if family == "ipv4" {
		c := &s.conf4All
		if nic != nil {
			c = &nic.conf4
		} else if name == "default" {
			c = &s.conf4Default
		}
		for i := range conf4Specs {
			if conf4Specs[i].name == item {
				return &c[i], conf4Specs[i].mode, true
			}
		}
		return nil, 0, false
	}
	c := &s.conf6All
	if nic != nil {
		c = &nic.conf6
	} else if name == "default" {
		c = &s.conf6Default
	}
	for i := range conf6Specs {
		if conf6Specs[i].name == item {
			return &c[i], conf6Specs[i].mode, true
		}
	}
	return nil, 0, false
}

func splitConf(path, kind string) (family, name, item string, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[0] != "ipv4" && parts[0] != "ipv6" || parts[1] != kind {
		return "", "", "", false
	}
	return parts[0], parts[2], parts[3], true
}

// setConf sets a tunable of an interface and does what follows.
func (s *Stack) setConf(path string, v *atomic.Int32, n int32) error {
	family, name, item, _ := splitConf(path, "conf")
	nic := s.NICByName(name)
	switch {
	case family == "ipv6" && item == "mtu":
		if nic != nil && (n < 1280 || int(n) > nic.MTU()) {
			return unix.EINVAL
		}
	case family == "ipv6" && item == "addr_gen_mode":
		return s.setAddrGen(nic, name, n)
	case family == "ipv6" && item == "hop_limit" && (n < -1 || n > 255):
		return unix.EINVAL
	}
	v.Store(n)
	s.epoch.Add(1)
	switch {
	case item == "forwarding" && name == "all" && family == "ipv4":
		s.tunables[tIPForward].v[0].Store(int64(n))
		s.forwardAll4(n)
	case item == "forwarding" && name == "all":
		s.conf6Default[conf6Forwarding].Store(n)
		for _, o := range s.NICs() {
			o.conf6[conf6Forwarding].Store(n)
			o.forwarding6Changed()
		}
	case item == "forwarding" && nic != nil && family == "ipv6":
		nic.forwarding6Changed()
	case item == "disable_ipv6" && name == "all":
		s.conf6Default[conf6DisableIpv6].Store(n)
		for _, o := range s.NICs() {
			o.conf6[conf6DisableIpv6].Store(n)
			o.ipv6Toggled()
		}
	case item == "disable_ipv6" && nic != nil:
		nic.ipv6Toggled()
	case item == "ignore_routes_with_linkdown" && name == "all":
		for _, o := range s.NICs() {
			o.ignoreLinkdownChanged()
		}
	case item == "ignore_routes_with_linkdown" && nic != nil:
		nic.ignoreLinkdownChanged()
	}
	return nil
}

// neighField is a tunable of a neighbour cache: unit is what one of it counts in
// nanoseconds, 0 for a number.
type neighField struct {
	name        string
	field       int
	unit        int64
	onlyDefault bool
}

const (
	nfReachable = iota
	nfDelay
	nfRetrans
	nfStale
	nfUnicast
	nfMulticast
	nfPending
	nfThresh1
	nfThresh2
	nfThresh3
)

var neighFields = [...]neighField{
	{"base_reachable_time", nfReachable, 1e9, false},
	{"base_reachable_time_ms", nfReachable, 1e6, false},
	{"delay_first_probe_time", nfDelay, 1e9, false},
	{"gc_stale_time", nfStale, 1e9, false},
	{"gc_thresh1", nfThresh1, 0, true},
	{"gc_thresh2", nfThresh2, 0, true},
	{"gc_thresh3", nfThresh3, 0, true},
	{"mcast_solicit", nfMulticast, 0, false},
	{"retrans_time_ms", nfRetrans, 1e6, false},
	{"ucast_solicit", nfUnicast, 0, false},
	{"unres_qlen_bytes", nfPending, 0, false},
}

func (f *neighField) get(c neigh.Config) int64 {
	v := [...]int64{c.BaseReachable, c.DelayFirstProbe, c.Retrans, c.GCStale, int64(c.UnicastProbes),
		int64(c.MulticastProbes), int64(c.PendingBytes), int64(c.Thresh1), int64(c.Thresh2), int64(c.Thresh3)}[f.field]
	return v / max(1, f.unit)
}

func (f *neighField) set(c *neigh.Config, v int64) {
	v = min(v, 1<<31-1)
	if f.unit != 0 {
		v *= f.unit
	}
	switch f.field {
	case nfReachable:
		c.BaseReachable = v
	case nfDelay:
		c.DelayFirstProbe = v
	case nfRetrans:
		c.Retrans = max(v, 1e6)
	case nfStale:
		c.GCStale = v
	case nfUnicast:
		c.UnicastProbes = int(v)
	case nfMulticast:
		c.MulticastProbes = int(v)
	case nfPending:
		c.PendingBytes = int(v)
	case nfThresh1:
		c.Thresh1 = int(v)
	case nfThresh2:
		c.Thresh2 = int(v)
	case nfThresh3:
		c.Thresh3 = int(v)
	}
}

// neighValue finds ipv4/neigh/NAME/X and ipv6/neigh/NAME/X.
func (s *Stack) neighValue(path string) (*neighField, neigh.Config, bool) {
	family, name, item, ok := splitConf(path, "neigh")
	if !ok {
		return nil, neigh.Config{}, false
	}
	for i := range neighFields {
		f := &neighFields[i]
		if f.name != item || f.onlyDefault && name != "default" {
			continue
		}
		v6 := family == "ipv6"
		if name == "default" {
			return f, *s.neighDefault[bit(v6)].Load(), true
		}
		if n := s.NICByName(name); n != nil && n.Neighbors(v6) != nil {
			return f, n.Neighbors(v6).Config(), true
		}
	}
	return nil, neigh.Config{}, false
}

func (s *Stack) setNeigh(path string, f *neighField, v int64) {
	family, name, _, _ := splitConf(path, "neigh")
	v6 := family == "ipv6"
	if name == "default" {
		c := *s.neighDefault[bit(v6)].Load()
		f.set(&c, v)
		s.neighDefault[bit(v6)].Store(&c)
		if !f.onlyDefault {
			return
		}
	}
	for _, n := range s.NICs() {
		cache := n.Neighbors(v6)
		if cache != nil && (name == "default" || n.Name() == name) {
			c := cache.Config()
			f.set(&c, v)
			cache.SetConfig(c)
		}
	}
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}
