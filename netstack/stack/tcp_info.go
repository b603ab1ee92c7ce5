package stack

import (
	"encoding/binary"
	"time"

	"hull/netstack/tcp"
)

// Bits of tcpi_options.
const (
	tcpiTimestamps = 1
	tcpiSACK       = 2
	tcpiWScale     = 4
	tcpiECN        = 8
	tcpiECNSeen    = 16
	tcpiSynData    = 32
)

// stateNow is the state as Linux's users see it: the connection in TIME_WAIT is no
// socket's any more.
func (t *tcpSocket) stateNow() tcp.State {
	switch {
	case t.phase == tcpListening:
		return tcp.Listening
	case t.conn == nil:
		return tcp.Closed
	case t.conn.State() == tcp.TimeWaiting:
		return tcp.Closed
	}
	return t.conn.State()
}

// infoBytes is struct tcp_info of Linux 6.x. The caller holds the lock.
func (t *tcpSocket) infoBytes() []byte {
	b := make([]byte, 0, 280)
	var i tcp.Info
	state := t.stateNow()
	if t.conn != nil {
		i = t.conn.Info(t.stack.now())
	}
	le := binary.NativeEndian
	u32 := func(v int) { b = le.AppendUint32(b, uint32(v)) }
	u64 := func(v uint64) { b = le.AppendUint64(b, v) }
	us := func(d time.Duration) { b = le.AppendUint32(b, uint32(min(d/time.Microsecond, 1<<32-1))) }
	ms := func(d time.Duration) { b = le.AppendUint32(b, uint32(min(d/time.Millisecond, 1<<32-1))) }
	opts := uint8(0)
	for _, o := range []struct {
		on  bool
		bit uint8
	}{{i.HasTS, tcpiTimestamps}, {i.HasSACK, tcpiSACK}, {i.HasWScale, tcpiWScale}, {i.ECN, tcpiECN}, {i.ECNSeen, tcpiECNSeen}, {i.SynData, tcpiSynData}} {
		if o.on {
			opts |= o.bit
		}
	}
	b = append(b, uint8(state), i.CAState, i.Retransmits, i.Probes, i.Backoff, opts,
		i.SndScale|i.RcvScale<<4, uint8(bit(i.DeliveryLimited)))
	us(i.RTO)
	us(i.ATO)
	u32(i.SndMSS)
	u32(i.RcvMSS)
	if t.phase == tcpListening {
		u32(len(t.listener.ready))
		u32(t.listener.backlog)
	} else {
		u32(i.Unacked)
		u32(i.Sacked)
	}
	u32(i.Lost)
	u32(i.Retrans)
	u32(0) // tcpi_fackets
	ms(i.LastDataSent)
	u32(0) // tcpi_last_ack_sent, which Linux does not fill in
	ms(i.LastDataRecv)
	ms(i.LastAckRecv)
	u32(i.PMTU)
	u32(i.RcvSSThresh)
	us(i.RTT)
	us(i.RTTVar)
	u32(i.SSThresh)
	u32(i.Cwnd)
	u32(i.AdvMSS)
	u32(i.Reordering)
	us(i.RcvRTT)
	u32(i.RcvSpace)
	u32(int(i.TotalRetrans))
	u64(uint64(i.PacingRate))
	u64(unlimitedOr(i.MaxPacing))
	u64(i.Stats.BytesAcked)
	u64(i.Stats.BytesReceived)
	u32(int(i.Stats.SegsOut))
	u32(int(i.Stats.SegsIn))
	u32(i.NotSent)
	us(i.MinRTT)
	u32(int(i.Stats.DataIn))
	u32(int(i.Stats.DataOut))
	u64(uint64(i.DeliveryRate))
	u64(uint64(i.Stats.Busy / time.Microsecond))
	u64(uint64(i.Stats.RwndLimited / time.Microsecond))
	u64(uint64(i.Stats.SndbufLimited / time.Microsecond))
	u32(int(i.Stats.Delivered))
	u32(int(i.Stats.DeliveredCE))
	u64(i.Stats.BytesSent)
	u64(i.Stats.BytesRetrans)
	u32(int(i.Stats.DSACKs))
	u32(int(i.Stats.ReordSeen))
	u32(int(i.OOOPack))
	u32(i.SndWnd)
	u32(i.RcvWnd)
	u32(i.RehashTotal)
	b = le.AppendUint16(b, i.Stats.TotalRTO)
	b = le.AppendUint16(b, i.Stats.TotalRTORecoveries)
	u32(0) // tcpi_total_rto_time
	u32(0) // tcpi_received_ce, and what else accurate ECN counts, which is not there
	return append(b, make([]byte, 28)...)
}

func unlimitedOr(v int64) uint64 {
	if v == 0 {
		return ^uint64(0)
	}
	return uint64(v)
}

// Info is what /proc/net/tcp and sock_diag say.
func (t *tcpSocket) Info() SocketInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := SocketInfo{
		Family: t.Family(), Type: t.typ, Protocol: t.proto, Local: t.showScoped(t.local, t.scope), Remote: t.showScoped(t.peer, t.scope),
		State: uint8(t.stateNow()), Owner: t.owner, Device: t.device, Mark: t.mark, V6Only: t.v6only,
		ReuseAddr: t.flags&fReuseAddr != 0, Refs: 1, TCPInfo: t.infoBytes(), Congestion: t.opts.congestionName(t.stack.tcpTunables()),
	}
	if t.rdShut {
		i.Shutdown |= 1
	}
	if t.wrShut {
		i.Shutdown |= 2
	}
	if t.phase == tcpListening {
		i.RxQueue, i.TxQueue = len(t.listener.ready), t.listener.backlog
		return i
	}
	if t.conn == nil {
		return i
	}
	k := t.conn.Info(t.stack.now())
	i.RxQueue, i.TxQueue = t.conn.Readable(), t.conn.Queued()
	i.Timer, i.Expires, i.Retransmits, i.Probes = k.Timer, k.Expires, k.Retransmits, k.Probes
	return i
}
