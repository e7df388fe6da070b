//! A policy as its author wrote it: values with their places in the text.
//!
//! The JSON front end ([`crate::json`]) and the Nix front end of the editor both produce this tree, so that checks,
//! completion and errors are written once.

use std::ops::Range;

use serde_json::{Map, Number, Value};

/// Byte offsets in the source text.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value stands.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, without quotes and escapes.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// An object, its members in the order in which they are written. A key may stand there twice.
    Object(Vec<Member>),
    /// A value that is only known when an expression is evaluated. It is never judged.
    Computed,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The key, without quotes and escapes.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// The part of a member that a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key, for a field that should not be there.
    Key,
    /// The value.
    Value,
}

impl Node {
    /// The members, if this is an object.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            NodeKind::Object(members) => members,
            _ => &[],
        }
    }

    /// The items, if this is a list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Array(items) => items,
            _ => &[],
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member of this key; the last one where several are.
    pub fn get(&self, key: &str) -> Option<&Member> {
        self.members().iter().rev().find(|member| member.key == key)
    }

    /// The value at a JSON pointer (RFC 6901), if the text has it.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        segments(pointer).try_fold(self, |node, segment| node.child(&segment).map(|(_, value)| value))
    }

    /// The place of a JSON pointer. Where the text does not have it, the place of the nearest thing around it.
    pub fn span_at(&self, pointer: &str, part: Part) -> Span {
        let mut node = self;
        // The root of a document has no key; underlining all of it would say nothing, so its opening brace stands for it.
        let mut span = self.span.start..self.span.end.min(self.span.start.saturating_add(1));
        for segment in segments(pointer) {
            let Some((key_span, value)) = node.child(&segment) else { break };
            span = match (part, key_span) {
                (Part::Key, Some(key)) => key,
                _ => value.span.clone(),
            };
            node = value;
        }
        span
    }

    /// The plain value, for validation. What is computed has no value: the pointers to it are added to `computed`, and
    /// members with a computed value are left out.
    pub fn to_value(&self, computed: &mut Vec<String>) -> Value {
        self.value_below(&mut String::new(), computed).unwrap_or(Value::Null)
    }

    fn value_below(&self, pointer: &mut String, computed: &mut Vec<String>) -> Option<Value> {
        Some(match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(flag) => Value::Bool(*flag),
            NodeKind::Number(number) => Value::Number(number.clone()),
            NodeKind::String(text) => Value::String(text.clone()),
            NodeKind::Array(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        below(pointer, &index.to_string(), |pointer| item.value_below(pointer, computed))
                            // The place in the list is kept, so that the pointers of its neighbours stay right.
                            .unwrap_or(Value::Null)
                    })
                    .collect(),
            ),
            NodeKind::Object(members) => {
                let mut object = Map::new();
                for member in members {
                    let value =
                        below(pointer, &member.key, |pointer| member.value.value_below(pointer, computed));
                    if let Some(value) = value {
                        object.insert(member.key.clone(), value);
                    }
                }
                Value::Object(object)
            }
            NodeKind::Computed => {
                computed.push(pointer.clone());
                return None;
            }
        })
    }

    fn child(&self, segment: &str) -> Option<(Option<Span>, &Node)> {
        match &self.kind {
            NodeKind::Object(_) => {
                self.get(segment).map(|member| (Some(member.key_span.clone()), &member.value))
            }
            NodeKind::Array(items) => items.get(segment.parse::<usize>().ok()?).map(|item| (None, item)),
            _ => None,
        }
    }
}

/// The parts of a JSON pointer, unescaped.
pub fn segments(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// Escapes a key for a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn below<T>(pointer: &mut String, key: &str, inner: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&escape(key));
    let result = inner(pointer);
    pointer.truncate(length);
    result
}
