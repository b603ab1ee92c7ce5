package netview

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/usermem"
)

// The commands of SIOCETHTOOL that are answered, linux/ethtool.h. ethtool(8) asks
// most of them by netlink first.
const (
	getSettings     = 0x01 // ETHTOOL_GSET
	getDriver       = 0x03 // ETHTOOL_GDRVINFO
	getLink         = 0x0a // ETHTOOL_GLINK
	getRxChecksum   = 0x14
	getTxChecksum   = 0x16
	setTxChecksum   = 0x17
	getScatter      = 0x18
	getStrings      = 0x1b // ETHTOOL_GSTRINGS
	getStats        = 0x1d // ETHTOOL_GSTATS
	getTSO          = 0x1e
	setTSO          = 0x1f
	getPermanent    = 0x20 // ETHTOOL_GPERMADDR
	getGSO          = 0x23
	setGSO          = 0x24
	getGRO          = 0x2b
	getSetInfo      = 0x37 // ETHTOOL_GSSET_INFO
	getFeatures     = 0x3a // ETHTOOL_GFEATURES
	getChannels     = 0x3c // ETHTOOL_GCHANNELS
	getTimestamping = 0x41 // ETHTOOL_GET_TS_INFO
	getLinkSettings = 0x4c // ETHTOOL_GLINKSETTINGS

	statsSet    = 1 // ETH_SS_STATS
	featuresSet = 4 // ETH_SS_FEATURES
	stringSize  = 32
	modeWords   = 4 // of a mask of link modes
)

// ethtool is SIOCETHTOOL on an interface; addr is of the command's structure.
func (v *View) ethtool(t current.Task, n *stack.NIC, addr usermem.Addr) error {
	cmd, err := usermem.In[uint32](t.Mem(), addr)
	if err != nil {
		return err
	}
	i := n.Info()
	ne := binary.NativeEndian
	answer := func(words ...uint32) error { // a structure of numbers, after the command
		b := ne.AppendUint32(nil, cmd)
		for _, w := range words {
			b = ne.AppendUint32(b, w)
		}
		_, err := t.Mem().CopyOut(addr, b)
		return err
	}
	switch cmd {
	case getLink:
		return answer(truth(i.Flags&unix.IFF_RUNNING != 0))
	case getDriver:
		return driver(t, &i, addr)
	case getSettings, getLinkSettings:
		return settings(t, &i, addr, cmd)
	case getPermanent:
		size, err := usermem.In[uint32](t.Mem(), addr+4)
		if err != nil {
			return err
		}
		if size < 6 {
			return unix.EINVAL
		}
		return answer(6, 0, 0) // it has none: its address is anybody's choice
	case getChannels:
		if name, _, _ := i.Driver(); name != "veth" {
			return unix.EOPNOTSUPP
		}
		return answer(1, 1, 0, 0, 1, 1, 0, 0)
	case getTimestamping:
		on := uint32(unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE)
		if i.Kind != stack.KindBridge {
			on |= unix.SOF_TIMESTAMPING_TX_SOFTWARE
		}
		return answer(on, ^uint32(0), 0, 0, 0, 0, 0, 0, 0, 0)
	case getSetInfo, getStrings, getStats:
		return counted(t, &i, addr, cmd)
	case getFeatures:
		return features(t, n, addr)
	}
	if f, set := featureOf(cmd); f != 0 && !set {
		return answer(truth(n.Features().Active&f == f))
	} else if f != 0 {
		if !v.net.May(t, unix.CAP_NET_ADMIN) {
			return unix.EPERM
		}
		on, err := usermem.In[uint32](t.Mem(), addr+4)
		if err != nil {
			return err
		}
		wanted := stack.Features(0)
		if on != 0 {
			wanted = f
		}
		return n.SetFeatures(wanted, f)
	}
	return unix.EOPNOTSUPP
}

func truth(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}

// featureOf is the feature that an old command is about, and whether it sets it.
func featureOf(cmd uint32) (f stack.Features, set bool) {
	switch cmd {
	case getRxChecksum:
		return stack.FeatureRxChecksum, false
	case getTxChecksum, setTxChecksum:
		return stack.FeatureChecksum, cmd == setTxChecksum
	case getScatter:
		return stack.FeatureSG, false
	case getTSO, setTSO:
		return stack.FeatureTSO | stack.FeatureTSO6, cmd == setTSO
	case getGSO, setGSO:
		return stack.FeatureGSO, cmd == setGSO
	case getGRO:
		return stack.FeatureGRO, false
	}
	return 0, false
}

// driver is struct ethtool_drvinfo.
func driver(t current.Task, i *stack.NICInfo, addr usermem.Addr) error {
	name, version, bus := i.Driver()
	if name == "" {
		return unix.EOPNOTSUPP
	}
	var b [196]byte
	binary.NativeEndian.PutUint32(b[:], getDriver)
	copy(b[4:35], name)
	copy(b[36:67], version)
	if i.Kind == stack.KindBridge {
		copy(b[68:], "N/A")
	}
	copy(b[100:131], bus)
	binary.NativeEndian.PutUint32(b[180:], uint32(len(statNames(i))))
	_, err := t.Mem().CopyOut(addr, b[:])
	return err
}

// settings is struct ethtool_cmd, or struct ethtool_link_settings, for which the
// caller must have guessed how long masks of link modes are: who has not is told.
func settings(t current.Task, i *stack.NICInfo, addr usermem.Addr, cmd uint32) error {
	s, ok := i.Settings()
	if !ok {
		return unix.EOPNOTSUPP
	}
	ne := binary.NativeEndian
	if cmd == getSettings {
		var b [44]byte
		ne.PutUint32(b[:], cmd)
		ne.PutUint16(b[12:], uint16(s.Speed))
		b[14], b[15] = s.Duplex, s.Port
		ne.PutUint16(b[28:], uint16(s.Speed>>16))
		_, err := t.Mem().CopyOut(addr, b[:])
		return err
	}
	var b [48 + 3*modeWords*4]byte
	if _, err := t.Mem().CopyIn(addr, b[:48]); err != nil {
		return err
	}
	guessed := int8(b[15]) == modeWords
	clear(b[:])
	ne.PutUint32(b[:], cmd)
	if !guessed {
		b[15] = 256 - modeWords
		_, err := t.Mem().CopyOut(addr, b[:48])
		return err
	}
	ne.PutUint32(b[4:], s.Speed)
	b[8], b[9], b[15] = s.Duplex, s.Port, modeWords
	_, err := t.Mem().CopyOut(addr, b[:])
	return err
}

// statNames are the counters that an interface has besides everybody's.
func statNames(i *stack.NICInfo) []string {
	if i.Kind == stack.KindVeth {
		return []string{"peer_ifindex"}
	}
	return nil
}

// counted answers how many strings sets have, what they are, and the counters.
func counted(t current.Task, i *stack.NICInfo, addr usermem.Addr, cmd uint32) error {
	ne := binary.NativeEndian
	strings := func(set uint32) []string {
		switch set {
		case statsSet:
			return statNames(i)
		case featuresSet:
			return stack.FeatureNames()
		}
		return nil
	}
	var b []byte
	switch cmd {
	case getSetInfo:
		asked, err := usermem.In[uint64](t.Mem(), addr+8)
		if err != nil {
			return err
		}
		has, counts := uint64(0), []byte(nil)
		for set := range uint32(64) {
			if asked>>set&1 == 0 {
				continue
			}
			if n := len(strings(set)); n > 0 {
				has |= 1 << set
				counts = ne.AppendUint32(counts, uint32(n))
			}
		}
		b = ne.AppendUint64(ne.AppendUint64(nil, uint64(cmd)), has)
		b = append(b, counts...)
	case getStrings:
		set, err := usermem.In[uint32](t.Mem(), addr+4)
		if err != nil {
			return err
		}
		all := strings(set)
		if all == nil {
			return unix.EOPNOTSUPP
		}
		b = ne.AppendUint32(ne.AppendUint32(ne.AppendUint32(nil, cmd), set), uint32(len(all)))
		for _, s := range all {
			var fixed [stringSize]byte
			copy(fixed[:stringSize-1], s)
			b = append(b, fixed[:]...)
		}
	case getStats:
		if statNames(i) == nil {
			return unix.EOPNOTSUPP
		}
		b = ne.AppendUint32(ne.AppendUint32(nil, cmd), 1)
		b = ne.AppendUint64(b, uint64(i.Parent))
	}
	_, err := t.Mem().CopyOut(addr, b)
	return err
}

// features is struct ethtool_gfeatures: as many words of four masks as there is
// room for.
func features(t current.Task, n *stack.NIC, addr usermem.Addr) error {
	room, err := usermem.In[uint32](t.Mem(), addr+4)
	if err != nil {
		return err
	}
	f := n.Features()
	ne := binary.NativeEndian
	b := ne.AppendUint32(ne.AppendUint32(nil, getFeatures), 2)
	for word := range min(room, 2) {
		for _, x := range []stack.Features{f.Changeable, f.Wanted, f.Active, stack.FeatureChallenged} {
			b = ne.AppendUint32(b, uint32(x>>(32*word)))
		}
	}
	_, err = t.Mem().CopyOut(addr, b)
	return err
}
