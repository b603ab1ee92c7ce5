package stack

// The tunables of an interface in IPv4: /proc/sys/net/ipv4/conf/NAME.
const (
	conf4AcceptLocal = iota
	conf4AcceptRedirects
	conf4AcceptSourceRoute
	conf4ARPAccept
	conf4ARPAnnounce
	conf4ARPEvictNocarrier
	conf4ARPFilter
	conf4ARPIgnore
	conf4ARPNotify
	conf4BcForwarding
	conf4BootpRelay
	conf4DisablePolicy
	conf4DropGratuitousARP
	conf4DropUnicastInL2Multicast
	conf4ForceIGMPVersion
	conf4Forwarding
	conf4Igmpv2UnsolicitedReportInterval
	conf4Igmpv3UnsolicitedReportInterval
	conf4IgnoreRoutesWithLinkdown
	conf4LogMartians
	conf4McForwarding
	conf4MediumId
	conf4PromoteSecondaries
	conf4ProxyARP
	conf4ProxyARPPvlan
	conf4RouteLocalnet
	conf4RPFilter
	conf4SecureRedirects
	conf4SendRedirects
	conf4SharedMedia
	conf4SrcValidMark
	conf4Tag

	nConf4
)

// The tunables of an interface in IPv6: /proc/sys/net/ipv6/conf/NAME.
const (
	conf6AcceptDAD = iota
	conf6AcceptRA
	conf6AcceptRADefrtr
	conf6AcceptRAFromLocal
	conf6AcceptRAMinHopLimit
	conf6AcceptRAMinLft
	conf6AcceptRAMTU
	conf6AcceptRAPinfo
	conf6AcceptRARtInfoMaxPlen
	conf6AcceptRARtInfoMinPlen
	conf6AcceptRARtrPref
	conf6AcceptRedirects
	conf6AcceptSourceRoute
	conf6AcceptUntrackedNA
	conf6AddrGenMode
	conf6Autoconf
	conf6DADTransmits
	conf6DisableIpv6
	conf6DisablePolicy
	conf6DropUnicastInL2Multicast
	conf6DropUnsolicitedNA
	conf6EnhancedDAD
	conf6ForceForwarding
	conf6ForceMLDVersion
	conf6ForceTllao
	conf6Forwarding
	conf6HopLimit
	conf6IgnoreRoutesWithLinkdown
	conf6KeepAddrOnDown
	conf6MaxAddresses
	conf6MaxDesyncFactor
	conf6McForwarding
	conf6Mldv1UnsolicitedReportInterval
	conf6Mldv2UnsolicitedReportInterval
	conf6MTU
	conf6NdiscEvictNocarrier
	conf6NdiscNotify
	conf6NdiscTclass
	conf6OptimisticDAD
	conf6ProxyNDP
	conf6RADefrtrMetric
	conf6RAHonorPioLife
	conf6RAHonorPioPflag
	conf6RegenMaxRetry
	conf6RegenMinAdvance
	conf6RouterProbeInterval
	conf6RouterSolicitationDelay
	conf6RouterSolicitationInterval
	conf6RouterSolicitationMaxInterval
	conf6RouterSolicitations
	conf6SuppressFragNdisc
	conf6TempPreferedLft
	conf6TempValidLft
	conf6UseOifAddrsOnly
	conf6UseOptimistic
	conf6UseTempaddr

	nConf6
)

// confSpec is a tunable of an interface: its name, mode and Linux's first value.
type confSpec struct {
	name    string
	mode    uint32
	initial int32
}

// conf4Specs are those of IPv4.
var conf4Specs = [nConf4]confSpec{
	{"accept_local", 0o644, 0},
	{"accept_redirects", 0o644, 1},
	{"accept_source_route", 0o644, 1},
	{"arp_accept", 0o644, 0},
	{"arp_announce", 0o644, 0},
	{"arp_evict_nocarrier", 0o644, 1},
	{"arp_filter", 0o644, 0},
	{"arp_ignore", 0o644, 0},
	{"arp_notify", 0o644, 0},
	{"bc_forwarding", 0o644, 0},
	{"bootp_relay", 0o644, 0},
	{"disable_policy", 0o644, 0},
	{"drop_gratuitous_arp", 0o644, 0},
	{"drop_unicast_in_l2_multicast", 0o644, 0},
	{"force_igmp_version", 0o644, 0},
	{"forwarding", 0o644, 0},
	{"igmpv2_unsolicited_report_interval", 0o644, 10000},
	{"igmpv3_unsolicited_report_interval", 0o644, 1000},
	{"ignore_routes_with_linkdown", 0o644, 0},
	{"log_martians", 0o644, 0},
	{"mc_forwarding", 0o444, 0},
	{"medium_id", 0o644, 0},
	{"promote_secondaries", 0o644, 0},
	{"proxy_arp", 0o644, 0},
	{"proxy_arp_pvlan", 0o644, 0},
	{"route_localnet", 0o644, 0},
	{"rp_filter", 0o644, 0},
	{"secure_redirects", 0o644, 1},
	{"send_redirects", 0o644, 1},
	{"shared_media", 0o644, 1},
	{"src_valid_mark", 0o644, 0},
	{"tag", 0o644, 0},
}

// conf6Specs are those of IPv6.
var conf6Specs = [nConf6]confSpec{
	{"accept_dad", 0o644, 1},
	{"accept_ra", 0o644, 1},
	{"accept_ra_defrtr", 0o644, 1},
	{"accept_ra_from_local", 0o644, 0},
	{"accept_ra_min_hop_limit", 0o644, 1},
	{"accept_ra_min_lft", 0o644, 0},
	{"accept_ra_mtu", 0o644, 1},
	{"accept_ra_pinfo", 0o644, 1},
	{"accept_ra_rt_info_max_plen", 0o644, 0},
	{"accept_ra_rt_info_min_plen", 0o644, 0},
	{"accept_ra_rtr_pref", 0o644, 1},
	{"accept_redirects", 0o644, 1},
	{"accept_source_route", 0o644, 0},
	{"accept_untracked_na", 0o644, 0},
	{"addr_gen_mode", 0o644, 0},
	{"autoconf", 0o644, 1},
	{"dad_transmits", 0o644, 1},
	{"disable_ipv6", 0o644, 0},
	{"disable_policy", 0o644, 0},
	{"drop_unicast_in_l2_multicast", 0o644, 0},
	{"drop_unsolicited_na", 0o644, 0},
	{"enhanced_dad", 0o644, 1},
	{"force_forwarding", 0o644, 0},
	{"force_mld_version", 0o644, 0},
	{"force_tllao", 0o644, 0},
	{"forwarding", 0o644, 0},
	{"hop_limit", 0o644, 64},
	{"ignore_routes_with_linkdown", 0o644, 0},
	{"keep_addr_on_down", 0o644, 0},
	{"max_addresses", 0o644, 16},
	{"max_desync_factor", 0o644, 600},
	{"mc_forwarding", 0o444, 0},
	{"mldv1_unsolicited_report_interval", 0o644, 10000},
	{"mldv2_unsolicited_report_interval", 0o644, 1000},
	{"mtu", 0o644, 1280},
	{"ndisc_evict_nocarrier", 0o644, 1},
	{"ndisc_notify", 0o644, 0},
	{"ndisc_tclass", 0o644, 0},
	{"optimistic_dad", 0o644, 0},
	{"proxy_ndp", 0o644, 0},
	{"ra_defrtr_metric", 0o644, 1024},
	{"ra_honor_pio_life", 0o644, 0},
	{"ra_honor_pio_pflag", 0o644, 0},
	{"regen_max_retry", 0o644, 3},
	{"regen_min_advance", 0o644, 2},
	{"router_probe_interval", 0o644, 60},
	{"router_solicitation_delay", 0o644, 1},
	{"router_solicitation_interval", 0o644, 4},
	{"router_solicitation_max_interval", 0o644, 3600},
	{"router_solicitations", 0o644, -1},
	{"suppress_frag_ndisc", 0o644, 1},
	{"temp_prefered_lft", 0o644, 86400},
	{"temp_valid_lft", 0o644, 604800},
	{"use_oif_addrs_only", 0o644, 0},
	{"use_optimistic", 0o644, 0},
	{"use_tempaddr", 0o644, 0},
}
