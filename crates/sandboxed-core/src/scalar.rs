//! The strings a policy is written with, each a type of its own.
//!
//! A type here is *lexical*: it accepts exactly the strings that its pattern in the schema accepts, so that serde and
//! the schema never disagree (a property test holds them together). What a pattern cannot say (an IPv4 address whose
//! octets are too large, say) is found by the semantic checks, which can point at the place.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A string of the policy that is restricted by a pattern.
pub trait Lexical: Sized {
    /// The pattern (ECMA-262) that the schema shows: without assertions on what follows, so that it can be matched in time
    /// proportional to the text.
    const PATTERN: &'static str;
    /// What is expected, for error messages: "an absolute path …".
    const EXPECTED: &'static str;
    /// Whether `text`, which is not too long, matches [`Self::PATTERN`].
    fn accepts(text: &str) -> bool;
}

/// The most characters that any of these strings has: PATH_MAX without its NUL, limits.h. Nothing that a policy names is
/// longer, and the expressions need not count.
const LONGEST: usize = 4095;

macro_rules! lexical {
    ($(#[doc = $doc:literal])+ $name:ident, $title:literal, $pattern:literal, $expected:literal,
     [$($example:literal),+], |$text:ident| $accepts:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// The text, if the type accepts it.
            pub fn new(text: &str) -> Option<Self> {
                (text.chars().nth(LONGEST).is_none() && <Self as Lexical>::accepts(text))
                    .then(|| Self(text.to_owned()))
            }

            /// A text that this crate writes itself, such as a default; a test goes through them all.
            #[allow(dead_code, reason = "not every type has a default")]
            pub(crate) fn literal(text: &'static str) -> Self {
                debug_assert!(<Self as Lexical>::accepts(text), "{text}");
                Self(text.to_owned())
            }

            /// The text as the policy has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Lexical for $name {
            const PATTERN: &'static str = $pattern;
            const EXPECTED: &'static str = $expected;
            fn accepts($text: &str) -> bool {
                $accepts
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).ok_or_else(|| serde::de::Error::custom(concat!("expected ", $expected)))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "title": $title,
                    "description": ([$($doc),+].map(str::trim).join(" ")),
                    "type": "string",
                    "maxLength": LONGEST,
                    "pattern": $pattern,
                    "examples": [$($example),+],
                })
            }
        }
    };
}

/// No control character: such a character in a path or a name is never meant, and several formats break on it.
fn printable(text: &str) -> bool {
    !text.chars().any(|c| c <= '\u{1f}' || c == '\u{7f}')
}

fn is_path(text: &str) -> bool {
    text == "/"
        || text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && printable(part))
        })
}

/// Made of what IPv6 addresses are made of; the semantic checks parse it.
fn is_like_ipv6(text: &str) -> bool {
    let hexadecimal =
        |text: &str, more: &[u8]| text.bytes().all(|b| b.is_ascii_hexdigit() || more.contains(&b));
    text.split_once(':').is_some_and(|(group, rest)| {
        group.len() <= 4
            && hexadecimal(group, b"")
            && (1..=40).contains(&rest.len())
            && hexadecimal(rest, b":.")
    })
}

fn digits(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

lexical! {
    /// An absolute path on the host, normalised: no `.` or `..`, no doubled or trailing slash, no control characters.
    /// With a `-` in front it may be absent on the host, as in systemd.exec(5).
    HostPath, "Path on the host",
    r"^-?(/|(/(\.{0,2}[^/.\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*|\.{3}[^/\u0000-\u001f\u007f]*))+)$",
    "an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent",
    ["/var/lib/matrix-synapse", "-/etc/matrix-synapse"],
    |text| is_path(text.strip_prefix('-').unwrap_or(text))
}

impl HostPath {
    /// The path without its `-`.
    pub fn path(&self) -> &str {
        self.0.strip_prefix('-').unwrap_or(&self.0)
    }

    /// Whether the path may be absent.
    pub fn is_optional(&self) -> bool {
        self.0.starts_with('-')
    }
}

lexical! {
    /// A file or directory below /etc, without `/etc/` in front. It may be absent on the host.
    EtcPath, "Path below /etc",
    r"^(\.{0,2}[^/.\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*|\.{3}[^/\u0000-\u001f\u007f]*)(/(\.{0,2}[^/.\u0000-\u001f\u007f][^/\u0000-\u001f\u007f]*|\.{3}[^/\u0000-\u001f\u007f]*))*$",
    "a path below /etc, without `/etc/` in front",
    ["ssl/certs", "localtime"],
    |text| !text.starts_with('/') && !text.is_empty() && is_path(&format!("/{text}"))
}

lexical! {
    /// The name of a sandbox: it names the slice, the helper units and the chain of the filter.
    SandboxName, "Name of a sandbox",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
    "letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit",
    ["synapse"],
    |text| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.len() <= 64
            && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    }
}

lexical! {
    /// The name of a service unit, as in systemd.unit(5). An instance of a template is named with its instance; a
    /// template, `worker@.service`, stands for all of its instances.
    UnitName, "Service unit",
    r"^[A-Za-z0-9:_.\\@-]{1,240}\.service$",
    "the name of a service unit, ending in `.service`",
    ["matrix-synapse.service", "matrix-synapse@worker1.service"],
    |text| text.strip_suffix(".service").is_some_and(|stem| {
        (1..=240).contains(&stem.len())
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b":_.\\@-".contains(&b))
    })
}

lexical! {
    /// The name of a socket unit, as in systemd.socket(5).
    SocketName, "Socket unit",
    r"^[A-Za-z0-9:_.\\@-]{1,240}\.socket$",
    "the name of a socket unit, ending in `.socket`",
    ["matrix-synapse.socket"],
    |text| text.strip_suffix(".socket").is_some_and(|stem| {
        (1..=240).contains(&stem.len())
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b":_.\\@-".contains(&b))
    })
}

lexical! {
    /// A protocol, an address of the host and a port, such as `tcp 127.0.0.1:5432` or `udp [::1]:53`.
    Endpoint, "Local endpoint",
    r"^(tcp|udp) ([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$",
    "a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53`",
    ["tcp 127.0.0.1:5432", "udp [::1]:53"],
    |text| {
        let rest = text.strip_prefix("tcp ").or_else(|| text.strip_prefix("udp "));
        rest.and_then(|rest| rest.rsplit_once(':')).is_some_and(|(address, port)| {
            digits(port, 1, 5)
                && match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
                    Some(inner) => {
                        (2..=45).contains(&inner.len())
                            && inner.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
                    }
                    None => address.split('.').count() == 4 && address.split('.').all(|o| digits(o, 1, 3)),
                }
        })
    }
}

lexical! {
    /// An IPv4 or IPv6 address.
    Address, "IP address",
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})$",
    "an IPv4 or IPv6 address",
    ["192.0.2.53", "2001:db8::53"],
    |text| {
        (text.split('.').count() == 4 && text.split('.').all(|o| digits(o, 1, 3))) || is_like_ipv6(text)
    }
}

lexical! {
    /// The name of a network interface, at most 15 characters.
    InterfaceName, "Network interface",
    r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$",
    "the name of a network interface: letters, digits, `_`, `.` and `-`, at most 15",
    ["eth0", "wg0"],
    |text| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
            && text.len() <= 15
            && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    }
}

lexical! {
    /// A network: an IPv4 or IPv6 address, and after a slash how many of its bits all addresses of the network share.
    Prefix, "Network",
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40}/[0-9]{1,3})$",
    "a network such as `10.99.0.0/30` or `fd00:99::/64`",
    ["10.99.0.0/30", "fd00:99::/64"],
    |text| text.split_once('/').is_some_and(|(address, length)| {
        (digits(length, 1, 2) && address.split('.').count() == 4 && address.split('.').all(|o| digits(o, 1, 3)))
            || (digits(length, 1, 3) && is_like_ipv6(address))
    })
}

lexical! {
    /// A port, or a range of ports with both ends.
    PortRange, "Ports",
    r"^[0-9]{1,5}(-[0-9]{1,5})?$",
    "a port or a range: `443`, `8000-8010`",
    ["443", "8000-8010"],
    |text| match text.split_once('-') {
        Some((first, last)) => digits(first, 1, 5) && digits(last, 1, 5),
        None => digits(text, 1, 5),
    }
}

lexical! {
    /// An amount of memory in bytes, with K, M, G or T for powers of 1024; a percentage of the machine's memory; or `infinity`.
    Memory, "Amount of memory",
    r"^([0-9]{1,15}[KMGT]?|[0-9]{1,2}%|100%|infinity)$",
    "bytes with K, M, G or T (`2G`), a percentage of the machine's memory (`50%`), or `infinity`",
    ["2G", "50%", "infinity"],
    |text| {
        text == "infinity" || text == "100%"
            || text.strip_suffix('%').is_some_and(|n| digits(n, 1, 2))
            || digits(text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text), 1, 15)
    }
}

lexical! {
    /// An amount of storage in bytes, with K, M, G or T for powers of 1024.
    Size, "Amount of storage",
    r"^[0-9]{1,15}[KMGT]?$",
    "bytes, with K, M, G or T for powers of 1024: `512M`",
    ["512M"],
    |text| digits(text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text), 1, 15)
}

lexical! {
    /// A system call, or a group of them such as `@network-io`, as in systemd.exec(5), SystemCallFilter=. A name that systemd
    /// does not know is an error.
    SystemCall, "System call or group",
    r"^@?[a-z0-9_-]{1,64}$",
    "the name of a system call, or a group with `@` in front",
    ["@system-service", "mlock", "@aio", "@basic-io", "@chown", "@clock", "@cpu-emulation", "@debug", "@default", "@file-system", "@io-event", "@ipc", "@keyring", "@known", "@memlock", "@module", "@mount", "@network-io", "@obsolete", "@pkey", "@privileged", "@process", "@raw-io", "@reboot", "@resources", "@sandbox", "@setuid", "@signal", "@swap", "@sync", "@timer"],
    |text| {
        let name = text.strip_prefix('@').unwrap_or(text);
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
    }
}

lexical! {
    /// The name of a credential: the service reads it as a file of this name below `$CREDENTIALS_DIRECTORY`.
    CredentialName, "Name of a credential",
    r"^(\.{0,2}[A-Za-z0-9_-]|\.{3})[A-Za-z0-9_.-]{0,252}$",
    "letters, digits, `_`, `.` and `-`, at most 253",
    ["registration.yaml"],
    |text| {
        // The last dot or the first letter, whichever comes first, is the one that must be there.
        let start = text.find(|c| c != '.').unwrap_or(text.len()).min(2);
        (1..=253).contains(&(text.len() - start)) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    }
}

lexical! {
    /// Why a guarantee is waived, for the people who audit the machine. One line.
    Reason, "Reason",
    r"^ *[^ \u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
    "a reason in one line",
    ["why the service cannot do with it", "pyOpenSSL's callbacks need memory that is writable and executable"],
    |text| {
        printable(text) && text.chars().any(|c| c != ' ')
    }
}

lexical! {
    /// What the service is, for people: one line of printable characters, so that it is never taken for something else where
    /// it is shown.
    Description, "Description",
    r"^[^\u0000-\u001f\u007f]*[^ \u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
    "a description in one line of printable characters",
    ["Synapse, the homeserver of example.org"],
    |text| {
        printable(text) && text.chars().any(|c| c != ' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonschema::validator_for;
    use proptest::prelude::*;
    use serde_json::json;

    fn agree<T: Lexical>(text: &str) {
        let schema = json!({"type": "string", "pattern": T::PATTERN});
        let validator = validator_for(&schema).unwrap();
        assert_eq!(validator.is_valid(&json!(text)), T::accepts(text), "{text:?} against {}", T::PATTERN);
    }

    fn agree_everywhere(text: &str) {
        agree::<HostPath>(text);
        agree::<EtcPath>(text);
        agree::<SandboxName>(text);
        agree::<UnitName>(text);
        agree::<SocketName>(text);
        agree::<Endpoint>(text);
        agree::<Address>(text);
        agree::<InterfaceName>(text);
        agree::<Prefix>(text);
        agree::<PortRange>(text);
        agree::<Memory>(text);
        agree::<Size>(text);
        agree::<SystemCall>(text);
        agree::<CredentialName>(text);
        agree::<Reason>(text);
        agree::<Description>(text);
    }

    #[test]
    fn patterns_and_types_agree_on_known_edges() {
        for text in [
            "",
            "/",
            "-/",
            "-",
            "//",
            "/a/",
            "/a/./b",
            "/a/..",
            "/..a",
            "/a\n",
            "/ä b",
            "a",
            "a/../b",
            "..",
            "...",
            "tcp 127.0.0.1:1",
            "tcp [::1]:65535",
            "tcp ::1:1",
            "tcp 1.2.3:1",
            "udp 1.2.3.4:123456",
            "x.service",
            ".service",
            "x\n.service",
            "eth0",
            "-eth0",
            "eth0.100-very-long",
            "10.0.0.0/8",
            "10.0.0/8",
            "fd00::/8",
            "::ffff:10.0.0.0/104",
            "fd00/8",
            "/8",
            "443",
            "1-",
            "1-2-3",
            "100%",
            "101%",
            "0",
            "12Q",
            "infinity",
            "@a",
            "@",
            " ",
            "\u{85}",
            "a\u{2028}b",
            "a\u{9b}b",
            " a\u{a0}",
            "a\tb",
            "::",
            "1.2.3.4",
            "1.2.3.4.5",
            "x.service\n",
            "10.0.0.0/8",
            "10.0.0.0/128",
            "::/0",
            "fd00::/1234",
            "fd00::",
            "/8",
        ] {
            agree_everywhere(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn patterns_and_types_agree(text in any::<String>()) {
            agree_everywhere(&text);
        }

        #[test]
        fn patterns_and_types_agree_on_near_misses(text in "[-/.@:%a-zK0-9\\[\\] ]{0,24}(\\.service|\\.socket|:53|%)?") {
            agree_everywhere(&text);
        }
    }
}
