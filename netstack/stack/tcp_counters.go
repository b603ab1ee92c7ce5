package stack

import "sync/atomic"

// export puts the engine's counters where Counters shows them.
func (t *tcpState) export(out []Counter) {
	k := &t.counters
	for _, row := range [...]struct {
		at counter
		v  *atomic.Uint64
	}{
		{cTcpActiveOpens, &k.ActiveOpens}, {cTcpPassiveOpens, &k.PassiveOpens}, {cTcpAttemptFails, &k.AttemptFails},
		{cTcpEstabResets, &k.EstabResets}, {cTcpOutSegs, &k.OutSegs}, {cTcpRetransSegs, &k.RetransSegs},
		{cTcpOutRsts, &k.OutRsts}, {cTcpExtSyncookiesSent, &k.SyncookiesSent}, {cTcpExtSyncookiesRecv, &k.SyncookiesRecv},
		{cTcpExtSyncookiesFailed, &k.SyncookiesFailed}, {cTcpExtEmbryonicRsts, &k.EmbryonicRsts}, {cTcpExtPruneCalled, &k.PruneCalled},
		{cTcpExtOfoPruned, &k.OfoPruned}, {cTcpExtTW, &k.TW}, {cTcpExtTWRecycled, &k.TWRecycled},
		{cTcpExtTWKilled, &k.TWKilled}, {cTcpExtPAWSActive, &k.PAWSActive}, {cTcpExtPAWSEstab, &k.PAWSEstab},
		{cTcpExtDelayedACKs, &k.DelayedACKs}, {cTcpExtDelayedACKLost, &k.DelayedACKLost}, {cTcpExtListenOverflows, &k.ListenOverflows},
		{cTcpExtListenDrops, &k.ListenDrops}, {cTcpExtAbortOnData, &k.AbortOnData}, {cTcpExtAbortOnClose, &k.AbortOnClose},
		{cTcpExtAbortOnMemory, &k.AbortOnMemory}, {cTcpExtAbortOnTimeout, &k.AbortOnTimeout}, {cTcpExtAbortOnLinger, &k.AbortOnLinger},
		{cTcpExtAbortFailed, &k.AbortFailed}, {cTcpExtReqQFullDoCookies, &k.ReqQFullDoCookies}, {cTcpExtReqQFullDrop, &k.ReqQFullDrop},
		{cTcpExtDeferAcceptDrop, &k.DeferAcceptDrop}, {cTcpExtChallengeACK, &k.ChallengeACK}, {cTcpExtSYNChallenge, &k.SYNChallenge},
		{cTcpExtTimeWaitOverflow, &k.TimeWaitOverflow}, {cTcpExtKeepAlive, &k.KeepAlive}, {cTcpExtTimeouts, &k.Timeouts},
		{cTcpExtSynRetrans, &k.SynRetrans}, {cTcpExtHPHits, &k.HPHits}, {cTcpExtPureAcks, &k.PureAcks},
		{cTcpExtHPAcks, &k.HPAcks}, {cTcpExtOFOQueue, &k.OFOQueue}, {cTcpExtOFODrop, &k.OFODrop},
		{cTcpExtOFOMerge, &k.OFOMerge}, {cTcpExtRcvPruned, &k.RcvPruned}, {cTcpExtBacklogDrop, &k.BacklogDrop},
		{cTcpExtFromZeroWindowAdv, &k.FromZeroWindowAdv}, {cTcpExtToZeroWindowAdv, &k.ToZeroWindowAdv}, {cTcpExtWantZeroWindowAdv, &k.WantZeroWindowAdv},
		{cTcpExtWinProbe, &k.WinProbe}, {cTcpExtOrigDataSent, &k.OrigDataSent}, {cTcpExtAutoCorking, &k.AutoCorking},
		{cTcpExtRcvCoalesce, &k.RcvCoalesce}, {cTcpExtRcvCollapsed, &k.RcvCollapsed}, {cTcpExtDelivered, &k.Delivered},
		{cTcpExtDeliveredCE, &k.DeliveredCE}, {cTcpExtRenoRecovery, &k.RenoRecovery}, {cTcpExtSackRecovery, &k.SackRecovery},
		{cTcpExtSACKReneging, &k.SACKReneging}, {cTcpExtSACKReorder, &k.SACKReorder}, {cTcpExtRenoReorder, &k.RenoReorder},
		{cTcpExtTSReorder, &k.TSReorder}, {cTcpExtFullUndo, &k.FullUndo}, {cTcpExtPartialUndo, &k.PartialUndo},
		{cTcpExtDSACKUndo, &k.DSACKUndo}, {cTcpExtLossUndo, &k.LossUndo}, {cTcpExtLostRetransmit, &k.LostRetransmit},
		{cTcpExtRenoFailures, &k.RenoFailures}, {cTcpExtSackFailures, &k.SackFailures}, {cTcpExtLossFailures, &k.LossFailures},
		{cTcpExtFastRetrans, &k.FastRetrans}, {cTcpExtSlowStartRetrans, &k.SlowStartRetrans}, {cTcpExtRetransFail, &k.RetransFail},
		{cTcpExtLossProbes, &k.LossProbes}, {cTcpExtLossProbeRecovery, &k.LossProbeRecovery}, {cTcpExtDSACKOldSent, &k.DSACKOldSent},
		{cTcpExtDSACKOfoSent, &k.DSACKOfoSent}, {cTcpExtDSACKRecv, &k.DSACKRecv}, {cTcpExtDSACKOfoRecv, &k.DSACKOfoRecv},
		{cTcpExtSACKDiscard, &k.SACKDiscard}, {cTcpExtSpuriousRTOs, &k.SpuriousRTOs}, {cTcpExtHystartTrainDetect, &k.HystartTrainDetect},
		{cTcpExtHystartDelayDetect, &k.HystartDelayDetect}, {cTcpExtMTUPFail, &k.MTUPFail}, {cTcpExtMTUPSuccess, &k.MTUPSuccess},
		{cTcpExtFastOpenActive, &k.FastOpenActive}, {cTcpExtFastOpenActiveFail, &k.FastOpenActiveFail}, {cTcpExtFastOpenPassive, &k.FastOpenPassive},
		{cTcpExtFastOpenPassiveFail, &k.FastOpenPassiveFail}, {cTcpExtFastOpenListenOverflow, &k.FastOpenListenOverflow}, {cTcpExtFastOpenCookieReqd, &k.FastOpenCookieReqd},
	} {
		out[row.at].Value += row.v.Load()
	}
	out[cTcpExtACKSkippedChallenge].Value += k.ACKSkipped.Load()
	out[cTcpCurrEstab].Value = uint64(max(0, t.established.Load()))
}
