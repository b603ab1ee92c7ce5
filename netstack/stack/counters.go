package stack

import (
	"strconv"
	"strings"
	"sync/atomic"
)

// counter is the number of an SNMP counter.
type counter int

// The counters, in the order in which /proc/net/snmp, netstat and snmp6 have them.
const (
	cIpForwarding counter = iota
	cIpDefaultTTL
	cIpInReceives
	cIpInHdrErrors
	cIpInAddrErrors
	cIpForwDatagrams
	cIpInUnknownProtos
	cIpInDiscards
	cIpInDelivers
	cIpOutRequests
	cIpOutDiscards
	cIpOutNoRoutes
	cIpReasmTimeout
	cIpReasmReqds
	cIpReasmOKs
	cIpReasmFails
	cIpFragOKs
	cIpFragFails
	cIpFragCreates
	cIpOutTransmits
	cIcmpInMsgs
	cIcmpInErrors
	cIcmpInCsumErrors
	cIcmpInDestUnreachs
	cIcmpInTimeExcds
	cIcmpInParmProbs
	cIcmpInSrcQuenchs
	cIcmpInRedirects
	cIcmpInEchos
	cIcmpInEchoReps
	cIcmpInTimestamps
	cIcmpInTimestampReps
	cIcmpInAddrMasks
	cIcmpInAddrMaskReps
	cIcmpOutMsgs
	cIcmpOutErrors
	cIcmpOutRateLimitGlobal
	cIcmpOutRateLimitHost
	cIcmpOutDestUnreachs
	cIcmpOutTimeExcds
	cIcmpOutParmProbs
	cIcmpOutSrcQuenchs
	cIcmpOutRedirects
	cIcmpOutEchos
	cIcmpOutEchoReps
	cIcmpOutTimestamps
	cIcmpOutTimestampReps
	cIcmpOutAddrMasks
	cIcmpOutAddrMaskReps
	cTcpRtoAlgorithm
	cTcpRtoMin
	cTcpRtoMax
	cTcpMaxConn
	cTcpActiveOpens
	cTcpPassiveOpens
	cTcpAttemptFails
	cTcpEstabResets
	cTcpCurrEstab
	cTcpInSegs
	cTcpOutSegs
	cTcpRetransSegs
	cTcpInErrs
	cTcpOutRsts
	cTcpInCsumErrors
	cUdpInDatagrams
	cUdpNoPorts
	cUdpInErrors
	cUdpOutDatagrams
	cUdpRcvbufErrors
	cUdpSndbufErrors
	cUdpInCsumErrors
	cUdpIgnoredMulti
	cUdpMemErrors
	cUdpLiteInDatagrams
	cUdpLiteNoPorts
	cUdpLiteInErrors
	cUdpLiteOutDatagrams
	cUdpLiteRcvbufErrors
	cUdpLiteSndbufErrors
	cUdpLiteInCsumErrors
	cUdpLiteIgnoredMulti
	cUdpLiteMemErrors
	cTcpExtSyncookiesSent
	cTcpExtSyncookiesRecv
	cTcpExtSyncookiesFailed
	cTcpExtEmbryonicRsts
	cTcpExtPruneCalled
	cTcpExtRcvPruned
	cTcpExtOfoPruned
	cTcpExtOutOfWindowIcmps
	cTcpExtLockDroppedIcmps
	cTcpExtArpFilter
	cTcpExtTW
	cTcpExtTWRecycled
	cTcpExtTWKilled
	cTcpExtPAWSActive
	cTcpExtPAWSEstab
	cTcpExtBeyondWindow
	cTcpExtTSEcrRejected
	cTcpExtPAWSOldAck
	cTcpExtPAWSTimewait
	cTcpExtDelayedACKs
	cTcpExtDelayedACKLocked
	cTcpExtDelayedACKLost
	cTcpExtListenOverflows
	cTcpExtListenDrops
	cTcpExtHPHits
	cTcpExtPureAcks
	cTcpExtHPAcks
	cTcpExtRenoRecovery
	cTcpExtSackRecovery
	cTcpExtSACKReneging
	cTcpExtSACKReorder
	cTcpExtRenoReorder
	cTcpExtTSReorder
	cTcpExtFullUndo
	cTcpExtPartialUndo
	cTcpExtDSACKUndo
	cTcpExtLossUndo
	cTcpExtLostRetransmit
	cTcpExtRenoFailures
	cTcpExtSackFailures
	cTcpExtLossFailures
	cTcpExtFastRetrans
	cTcpExtSlowStartRetrans
	cTcpExtTimeouts
	cTcpExtLossProbes
	cTcpExtLossProbeRecovery
	cTcpExtRenoRecoveryFail
	cTcpExtSackRecoveryFail
	cTcpExtRcvCollapsed
	cTcpExtBacklogCoalesce
	cTcpExtDSACKOldSent
	cTcpExtDSACKOfoSent
	cTcpExtDSACKRecv
	cTcpExtDSACKOfoRecv
	cTcpExtAbortOnData
	cTcpExtAbortOnClose
	cTcpExtAbortOnMemory
	cTcpExtAbortOnTimeout
	cTcpExtAbortOnLinger
	cTcpExtAbortFailed
	cTcpExtMemoryPressures
	cTcpExtMemoryPressuresChrono
	cTcpExtSACKDiscard
	cTcpExtDSACKIgnoredOld
	cTcpExtDSACKIgnoredNoUndo
	cTcpExtSpuriousRTOs
	cTcpExtMD5NotFound
	cTcpExtMD5Unexpected
	cTcpExtMD5Failure
	cTcpExtSackShifted
	cTcpExtSackMerged
	cTcpExtSackShiftFallback
	cTcpExtBacklogDrop
	cTcpExtPFMemallocDrop
	cTcpExtMinTTLDrop
	cTcpExtDeferAcceptDrop
	cTcpExtIPReversePathFilter
	cTcpExtTimeWaitOverflow
	cTcpExtReqQFullDoCookies
	cTcpExtReqQFullDrop
	cTcpExtRetransFail
	cTcpExtRcvCoalesce
	cTcpExtOFOQueue
	cTcpExtOFODrop
	cTcpExtOFOMerge
	cTcpExtChallengeACK
	cTcpExtSYNChallenge
	cTcpExtFastOpenActive
	cTcpExtFastOpenActiveFail
	cTcpExtFastOpenPassive
	cTcpExtFastOpenPassiveFail
	cTcpExtFastOpenListenOverflow
	cTcpExtFastOpenCookieReqd
	cTcpExtFastOpenBlackhole
	cTcpExtSpuriousRtxHostQueues
	cTcpExtBusyPollRxPackets
	cTcpExtAutoCorking
	cTcpExtFromZeroWindowAdv
	cTcpExtToZeroWindowAdv
	cTcpExtWantZeroWindowAdv
	cTcpExtSynRetrans
	cTcpExtOrigDataSent
	cTcpExtHystartTrainDetect
	cTcpExtHystartTrainCwnd
	cTcpExtHystartDelayDetect
	cTcpExtHystartDelayCwnd
	cTcpExtACKSkippedSynRecv
	cTcpExtACKSkippedPAWS
	cTcpExtACKSkippedSeq
	cTcpExtACKSkippedFinWait2
	cTcpExtACKSkippedTimeWait
	cTcpExtACKSkippedChallenge
	cTcpExtWinProbe
	cTcpExtKeepAlive
	cTcpExtMTUPFail
	cTcpExtMTUPSuccess
	cTcpExtDelivered
	cTcpExtDeliveredCE
	cTcpExtAckCompressed
	cTcpExtZeroWindowDrop
	cTcpExtRcvQDrop
	cTcpExtWqueueTooBig
	cTcpExtFastOpenPassiveAltKey
	cTcpExtTcpTimeoutRehash
	cTcpExtTcpDuplicateDataRehash
	cTcpExtDSACKRecvSegs
	cTcpExtDSACKIgnoredDubious
	cTcpExtMigrateReqSuccess
	cTcpExtMigrateReqFailure
	cTcpExtPLBRehash
	cTcpExtAORequired
	cTcpExtAOBad
	cTcpExtAOKeyNotFound
	cTcpExtAOGood
	cTcpExtAODroppedIcmps
	cIpExtInNoRoutes
	cIpExtInTruncatedPkts
	cIpExtInMcastPkts
	cIpExtOutMcastPkts
	cIpExtInBcastPkts
	cIpExtOutBcastPkts
	cIpExtInOctets
	cIpExtOutOctets
	cIpExtInMcastOctets
	cIpExtOutMcastOctets
	cIpExtInBcastOctets
	cIpExtOutBcastOctets
	cIpExtInCsumErrors
	cIpExtInNoECTPkts
	cIpExtInECT1Pkts
	cIpExtInECT0Pkts
	cIpExtInCEPkts
	cIpExtReasmOverlaps
	cIp6InReceives
	cIp6InHdrErrors
	cIp6InTooBigErrors
	cIp6InNoRoutes
	cIp6InAddrErrors
	cIp6InUnknownProtos
	cIp6InTruncatedPkts
	cIp6InDiscards
	cIp6InDelivers
	cIp6OutForwDatagrams
	cIp6OutRequests
	cIp6OutDiscards
	cIp6OutNoRoutes
	cIp6ReasmTimeout
	cIp6ReasmReqds
	cIp6ReasmOKs
	cIp6ReasmFails
	cIp6FragOKs
	cIp6FragFails
	cIp6FragCreates
	cIp6InMcastPkts
	cIp6OutMcastPkts
	cIp6InOctets
	cIp6OutOctets
	cIp6InMcastOctets
	cIp6OutMcastOctets
	cIp6InBcastOctets
	cIp6OutBcastOctets
	cIp6InNoECTPkts
	cIp6InECT1Pkts
	cIp6InECT0Pkts
	cIp6InCEPkts
	cIp6OutTransmits
	cIcmp6InMsgs
	cIcmp6InErrors
	cIcmp6OutMsgs
	cIcmp6OutErrors
	cIcmp6InCsumErrors
	cIcmp6OutRateLimitHost
	cIcmp6InDestUnreachs
	cIcmp6InPktTooBigs
	cIcmp6InTimeExcds
	cIcmp6InParmProblems
	cIcmp6InEchos
	cIcmp6InEchoReplies
	cIcmp6InGroupMembQueries
	cIcmp6InGroupMembResponses
	cIcmp6InGroupMembReductions
	cIcmp6InRouterSolicits
	cIcmp6InRouterAdvertisements
	cIcmp6InNeighborSolicits
	cIcmp6InNeighborAdvertisements
	cIcmp6InRedirects
	cIcmp6InMLDv2Reports
	cIcmp6OutDestUnreachs
	cIcmp6OutPktTooBigs
	cIcmp6OutTimeExcds
	cIcmp6OutParmProblems
	cIcmp6OutEchos
	cIcmp6OutEchoReplies
	cIcmp6OutGroupMembQueries
	cIcmp6OutGroupMembResponses
	cIcmp6OutGroupMembReductions
	cIcmp6OutRouterSolicits
	cIcmp6OutRouterAdvertisements
	cIcmp6OutNeighborSolicits
	cIcmp6OutNeighborAdvertisements
	cIcmp6OutRedirects
	cIcmp6OutMLDv2Reports
	cUdp6InDatagrams
	cUdp6NoPorts
	cUdp6InErrors
	cUdp6OutDatagrams
	cUdp6RcvbufErrors
	cUdp6SndbufErrors
	cUdp6InCsumErrors
	cUdp6IgnoredMulti
	cUdp6MemErrors
	cUdpLite6InDatagrams
	cUdpLite6NoPorts
	cUdpLite6InErrors
	cUdpLite6OutDatagrams
	cUdpLite6RcvbufErrors
	cUdpLite6SndbufErrors
	cUdpLite6InCsumErrors
	cUdpLite6MemErrors

	nCounters
)

// counterNames is the names of the counters by group, in the order of the constants.
var counterNames = [...][2]string{
	{"Ip", "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards " +
		"InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs " +
		"FragFails FragCreates OutTransmits"},
	{"Icmp", "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos " +
		"InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors " +
		"OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs " +
		"OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps"},
	{"Tcp", "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab " +
		"InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors"},
	{"Udp", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti " +
		"MemErrors"},
	{"UdpLite", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti " +
		"MemErrors"},
	{"TcpExt", "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned " +
		"OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab BeyondWindow " +
		"TSEcrRejected PAWSOldAck PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows " +
		"ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging " +
		"TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo " +
		"TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans " +
		"TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail " +
		"TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv " +
		"TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed " +
		"TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo " +
		"TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted TCPSackMerged " +
		"TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop " +
		"IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail " +
		"TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive " +
		"TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow " +
		"TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking " +
		"TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent " +
		"TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd " +
		"TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait " +
		"TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered " +
		"TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig " +
		"TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs " +
		"TCPDSACKIgnoredDubious TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad " +
		"TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps"},
	{"IpExt", "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets " +
		"InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts " +
		"InECT0Pkts InCEPkts ReasmOverlaps"},
	{"Ip6", "InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts " +
		"InDiscards InDelivers OutForwDatagrams OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds " +
		"ReasmOKs ReasmFails FragOKs FragFails FragCreates InMcastPkts OutMcastPkts InOctets OutOctets " +
		"InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts " +
		"OutTransmits"},
	{"Icmp6", "InMsgs InErrors OutMsgs OutErrors InCsumErrors OutRateLimitHost InDestUnreachs InPktTooBigs " +
		"InTimeExcds InParmProblems InEchos InEchoReplies InGroupMembQueries InGroupMembResponses " +
		"InGroupMembReductions InRouterSolicits InRouterAdvertisements InNeighborSolicits " +
		"InNeighborAdvertisements InRedirects InMLDv2Reports OutDestUnreachs OutPktTooBigs OutTimeExcds " +
		"OutParmProblems OutEchos OutEchoReplies OutGroupMembQueries OutGroupMembResponses " +
		"OutGroupMembReductions OutRouterSolicits OutRouterAdvertisements OutNeighborSolicits " +
		"OutNeighborAdvertisements OutRedirects OutMLDv2Reports"},
	{"Udp6", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti " +
		"MemErrors"},
	{"UdpLite6", "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors"},
}

// counters are the values.
type counters [nCounters]atomic.Uint64

// count adds one to a counter, countN n.
func (s *Stack) count(c counter)          { s.counts[c].Add(1) }
func (s *Stack) countN(c counter, n int)  { s.counts[c].Add(uint64(n)) }
func (s *Stack) counted(c counter) uint64 { return s.counts[c].Load() }

// icmpTypes counts messages by type, for IcmpMsg and the Type lines of snmp6.
type icmpTypes struct{ in, out [256]atomic.Uint64 }

// pick returns c of IPv4 or its counterpart of IPv6.
func pick(v6 bool, c4, c6 counter) counter {
	if v6 {
		return c6
	}
	return c4
}

// Counters returns the SNMP counters by the group and name of /proc/net/snmp,
// netstat and snmp6 ("Tcp", "RetransSegs"), in the files' order.
func (s *Stack) Counters() []Counter {
	out := make([]Counter, 0, nCounters)
	for _, g := range counterNames {
		for name := range strings.SplitSeq(g[1], " ") {
			out = append(out, Counter{g[0], name, s.counts[len(out)].Load()})
		}
	}
	out[cIpForwarding].Value = uint64(2 - s.tuneAll4(conf4Forwarding))
	out[cIpDefaultTTL].Value = uint64(s.tune(tIPDefaultTTL))
	out[cTcpRtoAlgorithm].Value, out[cTcpRtoMin].Value = 1, uint64(s.tune(tTCPRTOMinUs)/1000)
	out[cTcpRtoMax].Value, out[cTcpMaxConn].Value = uint64(s.tune(tTCPRTOMaxMs)), ^uint64(0)
	s.tcpState.export(out)
	for i := range s.icmpTypes4.in {
		out = appendType(out, "IcmpMsg", "InType", i, &s.icmpTypes4.in[i])
	}
	for i := range s.icmpTypes4.out {
		out = appendType(out, "IcmpMsg", "OutType", i, &s.icmpTypes4.out[i])
	}
	for i := range s.icmpTypes6.in {
		out = appendType(out, "Icmp6", "InType", i, &s.icmpTypes6.in[i])
	}
	for i := range s.icmpTypes6.out {
		out = appendType(out, "Icmp6", "OutType", i, &s.icmpTypes6.out[i])
	}
	return out
}

func appendType(out []Counter, group, name string, typ int, v *atomic.Uint64) []Counter {
	if n := v.Load(); n != 0 {
		out = append(out, Counter{group, name + strconv.Itoa(typ), n})
	}
	return out
}
