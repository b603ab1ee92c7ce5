package stack

import (
	"golang.org/x/sys/unix"

	"hull/netstack/link"
)

// Features are what an interface does so that others need not, as `ethtool -k`
// shows them: the bits of Linux's netdev_features_t, whose names FeatureNames has.
type Features uint64

// The features that interfaces of ours can have. The three kinds of segments of
// TCP over IPv4 that bear ECN's, a constant or accurate ECN's marks are cut as the
// others are.
const (
	FeatureSG         Features = 1 << 0
	FeatureChecksum   Features = 1 << 3
	FeatureHighDMA    Features = 1 << 5
	FeatureChallenged Features = 1 << 10 // vlan-challenged: it can carry none
	FeatureGSO        Features = 1 << 11
	FeatureGRO        Features = 1 << 14
	FeatureTSO        Features = 1<<16 | 1<<18 | 1<<19 | 1<<35
	FeatureTSO6       Features = 1 << 20
	FeatureUSO        Features = 1 << 33
	FeatureRxChecksum Features = 1 << 40
	FeatureLoopback   Features = 1 << 42

	featureAccECN Features = 1 << 35
	featuresTSO            = FeatureTSO | FeatureTSO6 | FeatureUSO
)

// FeatureNames are the names of the features by their bits; a bit without one is
// not seen from outside.
func FeatureNames() []string {
	return []string{
		"tx-scatter-gather", "tx-checksum-ipv4", "", "tx-checksum-ip-generic", "tx-checksum-ipv6", "highdma", "tx-scatter-gather-fraglist",
		"tx-vlan-hw-insert", "rx-vlan-hw-parse", "rx-vlan-filter", "vlan-challenged", "tx-generic-segmentation", "", "", "rx-gro", "rx-lro",
		"tx-tcp-segmentation", "tx-gso-robust", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-tcp6-segmentation",
		"tx-fcoe-segmentation", "tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation", "tx-ipxip6-segmentation",
		"tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation", "tx-gso-partial", "tx-tunnel-remcsum-segmentation",
		"tx-sctp-segmentation", "tx-esp-segmentation", "", "tx-udp-segmentation", "tx-gso-list", "tx-tcp-accecn-segmentation",
		"tx-checksum-fcoe-crc", "tx-checksum-sctp", "rx-ntuple-filter", "rx-hashing", "rx-checksum", "tx-nocache-copy", "loopback",
		"rx-fcs", "rx-all", "tx-vlan-stag-hw-insert", "rx-vlan-stag-hw-parse", "rx-vlan-stag-filter", "l2-fwd-offload", "hw-tc-offload",
		"esp-hw-offload", "esp-tx-csum-hw-offload", "rx-udp_tunnel-port-offload", "tls-hw-tx-offload", "tls-hw-rx-offload", "rx-gro-hw",
		"tls-hw-record", "rx-gro-list", "macsec-hw-offload", "rx-udp-gro-forwarding", "hsr-tag-ins-offload", "hsr-tag-rm-offload",
		"hsr-fwd-offload", "hsr-dup-offload",
	}
}

// FeatureSet is the features of an interface.
type FeatureSet struct {
	Changeable Features // that SetFeatures may turn on and off
	Wanted     Features // that are asked for
	Active     Features // that are on
}

// features is what the link could do, whatever is asked for.
func (n *NIC) features() Features {
	f := FeatureSG | FeatureHighDMA | FeatureGSO
	if n.kind != KindBridge {
		f |= FeatureRxChecksum
	}
	can := n.linkOffload()
	for _, x := range []struct {
		o link.Offload
		f Features
	}{{link.TxChecksum, FeatureChecksum}, {link.TSO4, FeatureTSO}, {link.TSO6, FeatureTSO6}, {link.USO, FeatureUSO}} {
		if can&x.o != 0 {
			f |= x.f
		}
	}
	if n.loopback() {
		f |= FeatureLoopback | FeatureChallenged
	}
	return f
}

// Features returns the features.
func (n *NIC) Features() FeatureSet {
	has := n.features()
	s := FeatureSet{Changeable: has & (FeatureGSO | featuresTSO | FeatureChecksum)}
	if n.loopback() {
		s.Changeable &^= FeatureChecksum
	}
	s.Wanted = s.Changeable &^ Features(n.featuresOff.Load())
	s.Active = has &^ (s.Changeable &^ s.Wanted)
	if s.Active&FeatureChecksum == 0 {
		s.Active &^= featuresTSO &^ featureAccECN // whose segments need one each
	}
	return s
}

// SetFeatures asks for the features in mask to be on or off. Those that cannot be
// changed stay as they are.
func (n *NIC) SetFeatures(wanted, mask Features) error {
	return n.stack.change(func(*events) error {
		if n.gone.Load() {
			return unix.ENODEV
		}
		mask &= n.Features().Changeable
		off := Features(n.featuresOff.Load())
		n.featuresOff.Store(uint64(off&^mask | mask&^wanted))
		return nil
	})
}

// offload is what need not be done in software for packets that leave here.
func (n *NIC) offload() link.Offload {
	can := n.linkOffload()
	if n.featuresOff.Load() == 0 {
		return can
	}
	on := n.Features().Active
	drop := func(o link.Offload, f Features) {
		if on&f == 0 {
			can &^= o
		}
	}
	drop(link.TxChecksum, FeatureChecksum)
	drop(link.TSO4, FeatureTSO&^(1<<18|1<<19|featureAccECN))
	drop(link.TSO6, FeatureTSO6)
	drop(link.USO, FeatureUSO)
	return can
}

// LinkSettings is what an interface says of its link.
type LinkSettings struct {
	Speed  uint32 // Mbit/s; UnknownSpeed
	Duplex uint8  // DUPLEX_*
	Port   uint8  // PORT_*
}

// Values of LinkSettings, linux/ethtool.h.
const (
	UnknownSpeed  = ^uint32(0)
	DuplexFull    = 1
	UnknownDuplex = 0xff
	PortTP        = 0 // twisted pair
	PortOther     = 0xff
)

// Settings returns what the interface says of its link, as its driver on Linux
// does; false for one that says nothing.
func (i *NICInfo) Settings() (LinkSettings, bool) {
	switch i.Kind {
	case KindDevice, KindVeth, KindVLAN:
		return LinkSettings{10000, DuplexFull, PortTP}, true
	case KindTun:
		return LinkSettings{10, DuplexFull, PortTP}, true
	case KindBridge:
		return LinkSettings{UnknownSpeed, UnknownDuplex, PortOther}, true
	}
	return LinkSettings{}, false
}

// Driver is the driver that the interface would have on Linux, and its version and
// bus; an empty name for none. A device of the sandbox is the one end of a veth.
func (i *NICInfo) Driver() (name, version, bus string) {
	switch i.Kind {
	case KindDevice:
		if i.HWType == link.RawIP {
			return "tun", "1.6", "tun"
		}
		return "veth", "1.0", ""
	case KindTun:
		if i.HWType == link.RawIP {
			return "tun", "1.6", "tun"
		}
		return "tun", "1.6", "tap"
	case KindVeth:
		return "veth", "1.0", ""
	case KindBridge:
		return "bridge", "2.3", "N/A"
	case KindVLAN:
		return "802.1Q VLAN Support", "1.8", ""
	case KindDummy:
		return "dummy", "1.0", ""
	}
	return "", "", ""
}
