//! Rules in the terms of iptables.

use super::{
    IptablesError, REFUSE, chain_name,
    condition::{LIMIT_NAME, applies, elements, meet},
    line::Conditions,
};
use crate::{
    expression::{Field, Match},
    filter::names,
    rule::{Action, Reject, Rule, Verdict},
    table::Table,
    value::Family,
};

/// A chain of a service. Long services have several, each of which goes on where the one before left off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) chain: String,
    pub(super) lines: Vec<String>,
}

/// A service's rules in one family.
pub(super) fn parts(
    name: &str,
    rules: &[Rule],
    family: Family,
    table: &Table,
) -> Result<Vec<Part>, IptablesError> {
    let mut parts = vec![Part { chain: chain_name(name), lines: Vec::new() }];
    for (position, rule) in rules.iter().enumerate() {
        let number = parts.len();
        let label = chain_name(&format!("{name}/limit-{position}"));
        let Some(part) = parts.last_mut() else { break };
        match excluded(rule, family, table)? {
            None => part.lines.extend(lines(rule, family, table, &label)?),
            Some((rest, exceptions)) => {
                // "None of these" takes a detour: the exceptions go straight on to the following part, the rest get the
                // action there and, if that decides nothing, go on as well.
                let detour = chain_name(&format!("{name}/{number}-unless"));
                let following = chain_name(&format!("{name}/{number}"));
                let go_on = format!("-g {following}");
                for conditions in alternatives(&rest, family, table)? {
                    part.lines.push(format!("{conditions}-g {detour}"));
                }
                part.lines.push(go_on.clone());
                let mut inner = Vec::new();
                for conditions in alternatives(&[exceptions], family, table)? {
                    inner.push(format!("{conditions}{go_on}"));
                }
                let bare = Rule { matches: Vec::new(), ..rule.clone() };
                inner.extend(lines(&bare, family, table, &label)?);
                if matches!(rule.action, Action::Log(_)) {
                    inner.push(go_on);
                }
                parts.push(Part { chain: detour, lines: inner });
                parts.push(Part { chain: following, lines: Vec::new() });
            }
        }
    }
    Ok(parts)
}

/// A rule that excludes several values, taken apart: the other conditions, and the excluded values as one condition.
fn excluded(
    rule: &Rule,
    family: Family,
    table: &Table,
) -> Result<Option<(Vec<Match>, Match)>, IptablesError> {
    let mut found = None;
    for (position, condition) in rule.matches.iter().enumerate() {
        let Match::Lookup { fields, not: true, among } = condition else { continue };
        let several = elements(among, table)?.iter().len() > 1;
        let listed = matches!(fields.as_slice(), [Field::SourceType | Field::DestinationType | Field::State]);
        let takes_detour = (several || fields.len() > 1) && !listed && applies(fields, family);
        if takes_detour && found.replace(position).is_some() {
            return Err(IptablesError::Inexpressible("two lists of excluded values in one rule"));
        }
    }
    Ok(found.map(|position| {
        let mut rest = rule.matches.clone();
        let mut condition = rest.remove(position);
        if let Match::Lookup { not, .. } = &mut condition {
            *not = false;
        }
        (rest, condition)
    }))
}

/// The lines of one rule. Its limits go by the name of `label`, as rules that name the same share one.
pub(super) fn lines(
    rule: &Rule,
    family: Family,
    table: &Table,
    label: &str,
) -> Result<Vec<String>, IptablesError> {
    let comment = match &rule.comment {
        Some(comment) => format!("-m comment --comment {comment} "),
        None => String::new(),
    };
    let action = action(&rule.action, family)?;
    let conditions = alternatives(&rule.matches, family, table)?;
    let counts = |condition: &Match| matches!(condition, Match::QuotaOver { .. } | Match::ConnectionsOver(_));
    if conditions.len() > 1 && rule.matches.iter().any(counts) {
        return Err(IptablesError::Inexpressible("a quota or count that several rules share"));
    }
    Ok(conditions
        .into_iter()
        .map(|conditions| format!("{conditions}{comment}{action}").replace(LIMIT_NAME, label))
        .collect())
}

/// The ways in which all conditions can be met: rules of iptables know no "or".
fn alternatives(matches: &[Match], family: Family, table: &Table) -> Result<Vec<Conditions>, IptablesError> {
    let mut ways = vec![Conditions::default()];
    for condition in matches {
        let mut met = Vec::new();
        for way in ways {
            met.extend(meet(condition, way, family, table)?);
        }
        ways = met;
    }
    Ok(ways)
}

fn action(action: &Action, family: Family) -> Result<String, IptablesError> {
    Ok(match action {
        // Back to the host's OUTPUT chain: whether it lets the packet go is its own affair.
        Action::Verdict(Verdict::Accept | Verdict::Return) => "-j RETURN".to_owned(),
        Action::Verdict(Verdict::Drop) => "-j DROP".to_owned(),
        Action::Verdict(Verdict::Goto(chain) | Verdict::Jump(chain)) if *chain == names::refuse() => {
            format!("-g {REFUSE}")
        }
        Action::Verdict(Verdict::Goto(_) | Verdict::Jump(_)) => {
            return Err(IptablesError::Inexpressible("a chain that belongs to no service"));
        }
        Action::Reject(reject) => {
            let with = match (reject, family) {
                (Reject::AdminProhibited, Family::V4) => "icmp-admin-prohibited",
                (Reject::AdminProhibited, Family::V6) => "icmp6-adm-prohibited",
                (Reject::PortUnreachable, Family::V4) => "icmp-port-unreachable",
                (Reject::PortUnreachable, Family::V6) => "icmp6-port-unreachable",
                (Reject::TcpReset, _) => "tcp-reset",
            };
            format!("-j REJECT --reject-with {with}")
        }
        Action::Log(prefix) => {
            // LOG takes 29 bytes.
            let cut: String = prefix.as_str().chars().take(29).collect();
            format!("-j LOG --log-prefix \"{cut}\"")
        }
        Action::Map { .. } => return Err(IptablesError::Inexpressible("a map of verdicts")),
        Action::Redirect { .. } | Action::Masquerade => {
            return Err(IptablesError::Inexpressible("a translation of addresses"));
        }
        Action::Learn { .. } => {
            return Err(IptablesError::Inexpressible("a set that rules add to; use connection tracking"));
        }
    })
}
