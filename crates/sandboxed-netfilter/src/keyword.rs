//! The words of the nft language that can't name anything.

/// These are the words which `nft` 1.0.6 refuses as the name of a chain, and words of later releases or of other places in
/// the grammar: to refuse a word too many costs nothing, as no name that this project makes is among them.
const KEYWORDS: &str = "
    accept add ah all and arp auto-merge bridge cgroup chain chains comment comp constant continue
    counter counters cpu create ct day dccp define delete describe destroy device devices dnat dormant
    drop dst dup dynamic ecn element elements eq esp ether exists expires export expression exthdr false
    fib first flags flow flowtable flowtables flush frag fully-random fwd gc-interval ge geneve get goto
    gre gretap gt handle hbh hook hooknum hooks hour ibriport ibrname icmp icmpv6 id igmp ih iif
    iifgroup iifname iiftype import in include index inet insert interval ip ip6 ipsec jhash jump
    l4proto label last le limit limits list ll log lshift lt map maps mark masq masquerade memory meta
    meter meters mh missing monitor ne netdev netmap nfproto nftrace nh not notrack numgen obriport
    obrname offload oif oifgroup oifname oiftype or osf out owner performance persist persistent pkttype
    policy position priority protocol queue quota quotas random redefine redirect reject rename replace
    reset return rshift rt rt0 rt2 rtclassid rule rules ruleset sctp secmark secmarks set sets size
    skgid skuid snat socket srh symhash synproxy synproxys table tables tcp th time timeout tproxy true
    type typeof udp udplite undefine update vlan vmap vxlan xor xt
";

/// Whether nft reads this word as part of its language.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.split_ascii_whitespace().any(|keyword| keyword == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_told_from_names() {
        assert!(is_keyword("tcp") && is_keyword("xt"));
        assert!(!is_keyword("services") && !is_keyword(""));
    }
}
