package stack

// tunable is the number of a tunable of the whole namespace.
type tunable int

// The tunables, in the order of their paths.
const (
	tCoreBusyPoll tunable = iota
	tCoreBusyRead
	tCoreDevWeight
	tCoreMessageBurst
	tCoreMessageCost
	tCoreNetdevBudget
	tCoreNetdevMaxBacklog
	tCoreOptmemMax
	tCoreRmemDefault
	tCoreRmemMax
	tCoreSomaxconn
	tCoreTxrehash
	tCoreWarnings
	tCoreWmemDefault
	tCoreWmemMax
	tFibMultipathHashFields
	tFibMultipathHashPolicy
	tFibMultipathUseNeigh
	tFwmarkReflect
	tICMPEchoIgnoreAll
	tICMPEchoIgnoreBroadcasts
	tICMPErrorsUseInboundIfaddr
	tICMPIgnoreBogusErrorResponses
	tICMPMsgsBurst
	tICMPMsgsPerSec
	tICMPRatelimit
	tICMPRatemask
	tIGMPLinkLocalMcastReports
	tIGMPMaxMemberships
	tIGMPMaxMsf
	tIGMPQrv
	tIPAutobindReuse
	tIPDefaultTTL
	tIPDynaddr
	tIPEarlyDemux
	tIPForward
	tIPForwardUpdatePriority
	tIPForwardUsePMTU
	tIPLocalPortRange
	tIPLocalReservedPorts
	tIPNoPMTUDisc
	tIPNonlocalBind
	tIPUnprivilegedPortStart
	tIPFragHighThresh
	tIPFragLowThresh
	tIPFragMaxDist
	tIPFragTime
	tPingGroupRange
	tV4RouteMinAdvMss
	tV4RouteMinPMTU
	tV4RouteMTUExpires
	tTCPAbortOnOverflow
	tTCPAdvWinScale
	tTCPAllowedCongestionControl
	tTCPAppWin
	tTCPAutocorking
	tTCPAvailableCongestionControl
	tTCPBacklogAckDefer
	tTCPBaseMss
	tTCPChallengeAckLimit
	tTCPChildEhashEntries
	tTCPCompSackDelayNs
	tTCPCompSackNr
	tTCPCompSackSlackNs
	tTCPCongestionControl
	tTCPDsack
	tTCPEarlyDemux
	tTCPEarlyRetrans
	tTCPECN
	tTCPECNFallback
	tTCPECNOption
	tTCPECNOptionBeacon
	tTCPEhashEntries
	tTCPFack
	tTCPFastopen
	tTCPFastopenBlackholeTimeoutSec
	tTCPFastopenKey
	tTCPFinTimeout
	tTCPFrto
	tTCPFwmarkAccept
	tTCPInvalidRatelimit
	tTCPKeepaliveIntvl
	tTCPKeepaliveProbes
	tTCPKeepaliveTime
	tTCPL3mdevAccept
	tTCPLimitOutputBytes
	tTCPMaxOrphans
	tTCPMaxReordering
	tTCPMaxSYNBacklog
	tTCPMaxTWBuckets
	tTCPMem
	tTCPMigrateReq
	tTCPMinRTTWlen
	tTCPMinSndMss
	tTCPMinTsoSegs
	tTCPModerateRcvbuf
	tTCPMTUProbeFloor
	tTCPMTUProbing
	tTCPNoMetricsSave
	tTCPNoSsthreshMetricsSave
	tTCPNotsentLowat
	tTCPOrphanRetries
	tTCPPacingCaRatio
	tTCPPacingSsRatio
	tTCPPingpongThresh
	tTCPPlbCongThresh
	tTCPPlbEnabled
	tTCPPlbIdleRehashRounds
	tTCPPlbRehashRounds
	tTCPPlbSuspendRTOSec
	tTCPProbeInterval
	tTCPProbeThreshold
	tTCPRecovery
	tTCPReflectTos
	tTCPReordering
	tTCPRetransCollapse
	tTCPRetries1
	tTCPRetries2
	tTCPRfc1337
	tTCPRmem
	tTCPRTOMaxMs
	tTCPRTOMinUs
	tTCPSack
	tTCPShrinkWindow
	tTCPSlowStartAfterIdle
	tTCPStdurg
	tTCPSYNLinearTimeouts
	tTCPSYNRetries
	tTCPSynackRetries
	tTCPSyncookies
	tTCPThinLinearTimeouts
	tTCPTimestamps
	tTCPTsoRTTLog
	tTCPTsoWinDivisor
	tTCPTWReuse
	tTCPTWReuseDelay
	tTCPWindowScaling
	tTCPWmem
	tTCPWorkaroundSignedWindows
	tUDPEarlyDemux
	tUDPMem
	tUDPRmemMin
	tUDPWmemMin
	tV6AnycastSrcEchoReply
	tV6AutoFlowlabels
	tV6Bindv6only
	tV6FibMultipathHashFields
	tV6FibMultipathHashPolicy
	tV6FlowlabelConsistency
	tV6FlowlabelReflect
	tV6FlowlabelStateRanges
	tV6FwmarkReflect
	tV6ICMPEchoIgnoreAll
	tV6ICMPEchoIgnoreAnycast
	tV6ICMPEchoIgnoreMulticast
	tV6ICMPErrorAnycastAsUnicast
	tV6ICMPRatelimit
	tV6ICMPRatemask
	tV6IdgenDelay
	tV6IdgenRetries
	tV6FragHighThresh
	tV6FragLowThresh
	tV6FragTime
	tV6IPNonlocalBind
	tV6MaxDstOptsLength
	tV6MaxDstOptsNumber
	tV6MaxHbhLength
	tV6MaxHbhOptsNumber
	tV6RouteGcElasticity
	tV6RouteGcInterval
	tV6RouteGcMinInterval
	tV6RouteGcMinIntervalMs
	tV6RouteGcThresh
	tV6RouteGcTimeout
	tV6RouteMaxSize
	tV6RouteMinAdvMss
	tV6RouteMTUExpires

	nTunables
)

// tunableSpec is what a tunable is before anybody sets it. Without numbers it is
// a string.
type tunableSpec struct {
	path    string
	mode    uint32
	n       int // numbers that it has
	initial [3]int64
	text    string
	lo, hi  int64 // what the numbers may be; both 0 is any int
	step    int64 // a number is rounded up to a multiple of it: times that Linux counts in ticks
}

// tunableSpecs is the file that each tunable is below /proc/sys/net, and Linux's
// first values.
var tunableSpecs = [nTunables]tunableSpec{
	{path: "core/busy_poll", mode: 0o644, n: 1},
	{path: "core/busy_read", mode: 0o644, n: 1},
	{path: "core/dev_weight", mode: 0o644, n: 1, initial: [3]int64{64}},
	{path: "core/message_burst", mode: 0o644, n: 1, initial: [3]int64{10}},
	{path: "core/message_cost", mode: 0o644, n: 1, initial: [3]int64{5}},
	{path: "core/netdev_budget", mode: 0o644, n: 1, initial: [3]int64{300}},
	{path: "core/netdev_max_backlog", mode: 0o644, n: 1, initial: [3]int64{1000}},
	{path: "core/optmem_max", mode: 0o644, n: 1, initial: [3]int64{131072}, lo: 0, hi: 2147483647},
	{path: "core/rmem_default", mode: 0o644, n: 1, initial: [3]int64{212992}, lo: 2304, hi: 2147483647},
	{path: "core/rmem_max", mode: 0o644, n: 1, initial: [3]int64{4194304}, lo: 2304, hi: 2147483647},
	{path: "core/somaxconn", mode: 0o644, n: 1, initial: [3]int64{4096}, lo: 0, hi: 2147483647},
	{path: "core/txrehash", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "core/warnings", mode: 0o644, n: 1},
	{path: "core/wmem_default", mode: 0o644, n: 1, initial: [3]int64{212992}, lo: 4608, hi: 2147483647},
	{path: "core/wmem_max", mode: 0o644, n: 1, initial: [3]int64{4194304}, lo: 4608, hi: 2147483647},
	{path: "ipv4/fib_multipath_hash_fields", mode: 0o644, n: 1, initial: [3]int64{7}, lo: 1, hi: 4095},
	{path: "ipv4/fib_multipath_hash_policy", mode: 0o644, n: 1, lo: 0, hi: 3},
	{path: "ipv4/fib_multipath_use_neigh", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/fwmark_reflect", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/icmp_echo_ignore_all", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/icmp_echo_ignore_broadcasts", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/icmp_errors_use_inbound_ifaddr", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/icmp_ignore_bogus_error_responses", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/icmp_msgs_burst", mode: 0o644, n: 1, initial: [3]int64{50}, lo: 0, hi: 2147483647},
	{path: "ipv4/icmp_msgs_per_sec", mode: 0o644, n: 1, initial: [3]int64{1000}, lo: 0, hi: 2147483647},
	{path: "ipv4/icmp_ratelimit", mode: 0o644, n: 1, initial: [3]int64{1000}, lo: 0, hi: 2147483647, step: 4},
	{path: "ipv4/icmp_ratemask", mode: 0o644, n: 1, initial: [3]int64{6168}},
	{path: "ipv4/igmp_link_local_mcast_reports", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/igmp_max_memberships", mode: 0o644, n: 1, initial: [3]int64{20}},
	{path: "ipv4/igmp_max_msf", mode: 0o644, n: 1, initial: [3]int64{10}},
	{path: "ipv4/igmp_qrv", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 1, hi: 2147483647},
	{path: "ipv4/ip_autobind_reuse", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/ip_default_ttl", mode: 0o644, n: 1, initial: [3]int64{64}, lo: 1, hi: 255},
	{path: "ipv4/ip_dynaddr", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/ip_early_demux", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/ip_forward", mode: 0o644, n: 1},
	{path: "ipv4/ip_forward_update_priority", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/ip_forward_use_pmtu", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/ip_local_port_range", mode: 0o644, n: 2, initial: [3]int64{32768, 60999}, lo: 1, hi: 65535},
	{path: "ipv4/ip_local_reserved_ports", mode: 0o644},
	{path: "ipv4/ip_no_pmtu_disc", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/ip_nonlocal_bind", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/ip_unprivileged_port_start", mode: 0o644, n: 1, initial: [3]int64{1024}, lo: 0, hi: 65535},
	{path: "ipv4/ipfrag_high_thresh", mode: 0o644, n: 1, initial: [3]int64{4194304}, lo: 0, hi: 4611686018427387904},
	{path: "ipv4/ipfrag_low_thresh", mode: 0o644, n: 1, initial: [3]int64{3145728}},
	{path: "ipv4/ipfrag_max_dist", mode: 0o644, n: 1, initial: [3]int64{64}, lo: 0, hi: 2147483647},
	{path: "ipv4/ipfrag_time", mode: 0o644, n: 1, initial: [3]int64{30}, lo: -8589934, hi: 8589934},
	{path: "ipv4/ping_group_range", mode: 0o644, n: 2, initial: [3]int64{1, 0}, lo: 0, hi: 4294967294},
	{path: "ipv4/route/min_adv_mss", mode: 0o644, n: 1, initial: [3]int64{256}},
	{path: "ipv4/route/min_pmtu", mode: 0o644, n: 1, initial: [3]int64{552}, lo: 68, hi: 2147483647},
	{path: "ipv4/route/mtu_expires", mode: 0o644, n: 1, initial: [3]int64{600}, lo: -8589934, hi: 8589934},
	{path: "ipv4/tcp_abort_on_overflow", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_adv_win_scale", mode: 0o644, n: 1, initial: [3]int64{1}, lo: -31, hi: 31},
	{path: "ipv4/tcp_allowed_congestion_control", mode: 0o444, text: "reno cubic bbr"},
	{path: "ipv4/tcp_app_win", mode: 0o644, n: 1, initial: [3]int64{31}, lo: 0, hi: 31},
	{path: "ipv4/tcp_autocorking", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/tcp_available_congestion_control", mode: 0o444, text: "reno cubic bbr"},
	{path: "ipv4/tcp_backlog_ack_defer", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/tcp_base_mss", mode: 0o644, n: 1, initial: [3]int64{1024}},
	{path: "ipv4/tcp_challenge_ack_limit", mode: 0o644, n: 1, initial: [3]int64{2147483647}},
	{path: "ipv4/tcp_child_ehash_entries", mode: 0o644, n: 1, lo: 0, hi: 16777216},
	{path: "ipv4/tcp_comp_sack_delay_ns", mode: 0o644, n: 1, initial: [3]int64{1000000}, lo: 0, hi: 9223372036854775807},
	{path: "ipv4/tcp_comp_sack_nr", mode: 0o644, n: 1, initial: [3]int64{44}, lo: 0, hi: 255},
	{path: "ipv4/tcp_comp_sack_slack_ns", mode: 0o644, n: 1, initial: [3]int64{100000}, lo: 0, hi: 9223372036854775807},
	{path: "ipv4/tcp_congestion_control", mode: 0o644, text: "cubic"},
	{path: "ipv4/tcp_dsack", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_early_demux", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_early_retrans", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 0, hi: 4},
	{path: "ipv4/tcp_ecn", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 0, hi: 2},
	{path: "ipv4/tcp_ecn_fallback", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/tcp_ecn_option", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 0, hi: 2},
	{path: "ipv4/tcp_ecn_option_beacon", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 0, hi: 3},
	{path: "ipv4/tcp_ehash_entries", mode: 0o444, n: 1, initial: [3]int64{262144}},
	{path: "ipv4/tcp_fack", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_fastopen", mode: 0o644, n: 1, initial: [3]int64{1}},
	{path: "ipv4/tcp_fastopen_blackhole_timeout_sec", mode: 0o644, n: 1, lo: 0, hi: 2147483647},
	{path: "ipv4/tcp_fastopen_key", mode: 0o600, text: "00000000-00000000-00000000-00000000"},
	{path: "ipv4/tcp_fin_timeout", mode: 0o644, n: 1, initial: [3]int64{60}, lo: -8589934, hi: 8589934},
	{path: "ipv4/tcp_frto", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 0, hi: 255},
	{path: "ipv4/tcp_fwmark_accept", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_invalid_ratelimit", mode: 0o644, n: 1, initial: [3]int64{500}, lo: 0, hi: 2147483647, step: 4},
	{path: "ipv4/tcp_keepalive_intvl", mode: 0o644, n: 1, initial: [3]int64{75}, lo: -8589934, hi: 8589934},
	{path: "ipv4/tcp_keepalive_probes", mode: 0o644, n: 1, initial: [3]int64{9}, lo: 0, hi: 255},
	{path: "ipv4/tcp_keepalive_time", mode: 0o644, n: 1, initial: [3]int64{7200}, lo: -8589934, hi: 8589934},
	{path: "ipv4/tcp_l3mdev_accept", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/tcp_limit_output_bytes", mode: 0o644, n: 1, initial: [3]int64{4194304}},
	{path: "ipv4/tcp_max_orphans", mode: 0o644, n: 1, initial: [3]int64{131072}},
	{path: "ipv4/tcp_max_reordering", mode: 0o644, n: 1, initial: [3]int64{300}, lo: 1, hi: 2147483647},
	{path: "ipv4/tcp_max_syn_backlog", mode: 0o644, n: 1, initial: [3]int64{2048}},
	{path: "ipv4/tcp_max_tw_buckets", mode: 0o644, n: 1, initial: [3]int64{131072}},
	{path: "ipv4/tcp_mem", mode: 0o644, n: 3, initial: [3]int64{288459, 384612, 576918}, lo: 0, hi: 4611686018427387904},
	{path: "ipv4/tcp_migrate_req", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/tcp_min_rtt_wlen", mode: 0o644, n: 1, initial: [3]int64{300}, lo: 0, hi: 86400},
	{path: "ipv4/tcp_min_snd_mss", mode: 0o644, n: 1, initial: [3]int64{48}, lo: 48, hi: 65535},
	{path: "ipv4/tcp_min_tso_segs", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 1, hi: 255},
	{path: "ipv4/tcp_moderate_rcvbuf", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_mtu_probe_floor", mode: 0o644, n: 1, initial: [3]int64{48}, lo: 48, hi: 65535},
	{path: "ipv4/tcp_mtu_probing", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_no_metrics_save", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_no_ssthresh_metrics_save", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 1},
	{path: "ipv4/tcp_notsent_lowat", mode: 0o644, n: 1, initial: [3]int64{4294967295}, lo: 0, hi: 4294967295},
	{path: "ipv4/tcp_orphan_retries", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_pacing_ca_ratio", mode: 0o644, n: 1, initial: [3]int64{120}, lo: 0, hi: 1000},
	{path: "ipv4/tcp_pacing_ss_ratio", mode: 0o644, n: 1, initial: [3]int64{200}, lo: 0, hi: 1000},
	{path: "ipv4/tcp_pingpong_thresh", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 1, hi: 255},
	{path: "ipv4/tcp_plb_cong_thresh", mode: 0o644, n: 1, initial: [3]int64{128}, lo: 0, hi: 256},
	{path: "ipv4/tcp_plb_enabled", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/tcp_plb_idle_rehash_rounds", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 0, hi: 31},
	{path: "ipv4/tcp_plb_rehash_rounds", mode: 0o644, n: 1, initial: [3]int64{12}, lo: 0, hi: 31},
	{path: "ipv4/tcp_plb_suspend_rto_sec", mode: 0o644, n: 1, initial: [3]int64{60}, lo: 0, hi: 255},
	{path: "ipv4/tcp_probe_interval", mode: 0o644, n: 1, initial: [3]int64{600}, lo: 0, hi: 17179869},
	{path: "ipv4/tcp_probe_threshold", mode: 0o644, n: 1, initial: [3]int64{8}},
	{path: "ipv4/tcp_recovery", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_reflect_tos", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/tcp_reordering", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 1, hi: 300},
	{path: "ipv4/tcp_retrans_collapse", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_retries1", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 0, hi: 255},
	{path: "ipv4/tcp_retries2", mode: 0o644, n: 1, initial: [3]int64{15}, lo: 0, hi: 255},
	{path: "ipv4/tcp_rfc1337", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_rmem", mode: 0o644, n: 3, initial: [3]int64{4096, 131072, 33554432}, lo: 1, hi: 2147483647},
	{path: "ipv4/tcp_rto_max_ms", mode: 0o644, n: 1, initial: [3]int64{120000}, lo: 1000, hi: 120000},
	{path: "ipv4/tcp_rto_min_us", mode: 0o644, n: 1, initial: [3]int64{200000}, lo: 1, hi: 2147483647},
	{path: "ipv4/tcp_sack", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_shrink_window", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv4/tcp_slow_start_after_idle", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_stdurg", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_syn_linear_timeouts", mode: 0o644, n: 1, initial: [3]int64{4}, lo: 0, hi: 127},
	{path: "ipv4/tcp_syn_retries", mode: 0o644, n: 1, initial: [3]int64{6}, lo: 1, hi: 127},
	{path: "ipv4/tcp_synack_retries", mode: 0o644, n: 1, initial: [3]int64{5}, lo: 0, hi: 255},
	{path: "ipv4/tcp_syncookies", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_thin_linear_timeouts", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/tcp_timestamps", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_tso_rtt_log", mode: 0o644, n: 1, initial: [3]int64{9}, lo: 0, hi: 255},
	{path: "ipv4/tcp_tso_win_divisor", mode: 0o644, n: 1, initial: [3]int64{3}, lo: 0, hi: 255},
	{path: "ipv4/tcp_tw_reuse", mode: 0o644, n: 1, initial: [3]int64{2}, lo: 0, hi: 2},
	{path: "ipv4/tcp_tw_reuse_delay", mode: 0o644, n: 1, initial: [3]int64{1000}, lo: 1, hi: 60000},
	{path: "ipv4/tcp_window_scaling", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/tcp_wmem", mode: 0o644, n: 3, initial: [3]int64{4096, 16384, 4194304}, lo: 1, hi: 2147483647},
	{path: "ipv4/tcp_workaround_signed_windows", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv4/udp_early_demux", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv4/udp_mem", mode: 0o644, n: 3, initial: [3]int64{576918, 769224, 1153836}, lo: 0, hi: 4611686018427387904},
	{path: "ipv4/udp_rmem_min", mode: 0o644, n: 1, initial: [3]int64{4096}, lo: 1, hi: 2147483647},
	{path: "ipv4/udp_wmem_min", mode: 0o644, n: 1, initial: [3]int64{4096}, lo: 1, hi: 2147483647},
	{path: "ipv6/anycast_src_echo_reply", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/auto_flowlabels", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 3},
	{path: "ipv6/bindv6only", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/fib_multipath_hash_fields", mode: 0o644, n: 1, initial: [3]int64{7}, lo: 1, hi: 4095},
	{path: "ipv6/fib_multipath_hash_policy", mode: 0o644, n: 1, lo: 0, hi: 3},
	{path: "ipv6/flowlabel_consistency", mode: 0o644, n: 1, initial: [3]int64{1}, lo: 0, hi: 255},
	{path: "ipv6/flowlabel_reflect", mode: 0o644, n: 1, lo: 0, hi: 7},
	{path: "ipv6/flowlabel_state_ranges", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/fwmark_reflect", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/icmp/echo_ignore_all", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/icmp/echo_ignore_anycast", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/icmp/echo_ignore_multicast", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/icmp/error_anycast_as_unicast", mode: 0o644, n: 1, lo: 0, hi: 1},
	{path: "ipv6/icmp/ratelimit", mode: 0o644, n: 1, initial: [3]int64{100}, lo: 0, hi: 2147483647, step: 4},
	{path: "ipv6/icmp/ratemask", mode: 0o644, text: "0-1,3-127"},
	{path: "ipv6/idgen_delay", mode: 0o644, n: 1, initial: [3]int64{1}, lo: -8589934, hi: 8589934},
	{path: "ipv6/idgen_retries", mode: 0o644, n: 1, initial: [3]int64{3}},
	{path: "ipv6/ip6frag_high_thresh", mode: 0o644, n: 1, initial: [3]int64{4194304}, lo: 0, hi: 4611686018427387904},
	{path: "ipv6/ip6frag_low_thresh", mode: 0o644, n: 1, initial: [3]int64{3145728}},
	{path: "ipv6/ip6frag_time", mode: 0o644, n: 1, initial: [3]int64{60}, lo: -8589934, hi: 8589934},
	{path: "ipv6/ip_nonlocal_bind", mode: 0o644, n: 1, lo: 0, hi: 255},
	{path: "ipv6/max_dst_opts_length", mode: 0o644, n: 1, initial: [3]int64{2147483647}},
	{path: "ipv6/max_dst_opts_number", mode: 0o644, n: 1, initial: [3]int64{8}},
	{path: "ipv6/max_hbh_length", mode: 0o644, n: 1, initial: [3]int64{2147483647}},
	{path: "ipv6/max_hbh_opts_number", mode: 0o644, n: 1, initial: [3]int64{8}},
	{path: "ipv6/route/gc_elasticity", mode: 0o644, n: 1, initial: [3]int64{9}},
	{path: "ipv6/route/gc_interval", mode: 0o644, n: 1, initial: [3]int64{30}, lo: -8589934, hi: 8589934},
	{path: "ipv6/route/gc_min_interval", mode: 0o644, n: 1, lo: -8589934, hi: 8589934},
	{path: "ipv6/route/gc_min_interval_ms", mode: 0o644, n: 1, initial: [3]int64{500}, lo: 0, hi: 2147483647, step: 4},
	{path: "ipv6/route/gc_thresh", mode: 0o644, n: 1, initial: [3]int64{1024}},
	{path: "ipv6/route/gc_timeout", mode: 0o644, n: 1, initial: [3]int64{60}, lo: -8589934, hi: 8589934},
	{path: "ipv6/route/max_size", mode: 0o644, n: 1, initial: [3]int64{2147483647}},
	{path: "ipv6/route/min_adv_mss", mode: 0o644, n: 1, initial: [3]int64{1220}},
	{path: "ipv6/route/mtu_expires", mode: 0o644, n: 1, initial: [3]int64{600}, lo: -8589934, hi: 8589934},
}
