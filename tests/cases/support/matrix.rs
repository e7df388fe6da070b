//! A client of a Matrix homeserver (client-server API 1.15), as little of it as the cases use.

use anyhow::{Context, Result, bail, ensure};
use sandboxed_testbed::Machine;
use serde_json::{Value, json};

use crate::neighbour::{MACHINE, ON_NEIGHBOUR};

/// A user's session, from the neighbour through the machine's reverse proxy.
pub struct Client<'a> {
    machine: &'a Machine,
    token: Option<String>,
}

/// What is sent.
enum Body<'a> {
    None,
    Json(Value),
    Text(&'a str),
}

impl<'a> Client<'a> {
    /// Nobody yet.
    pub fn anonymous(machine: &'a Machine) -> Self {
        Self { machine, token: None }
    }

    /// Register a user and be them.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn register(machine: &'a Machine, name: &str) -> Result<Self> {
        let account =
            json!({ "username": name, "password": format!("{name}'s"), "auth": { "type": "m.login.dummy" } });
        let answer = Self::anonymous(machine).call("POST", "client/v3/register", &Body::Json(account))?;
        Ok(Self { machine, token: Some(string(&answer, "access_token")?) })
    }

    /// The versions of the specification that the homeserver speaks.
    ///
    /// # Errors
    /// It does not answer.
    pub fn versions(&self) -> Result<Value> {
        self.get("client/versions")
    }

    /// Create a room that anybody may join: its identifier.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn create_room(&self) -> Result<String> {
        let room = Body::Json(json!({ "preset": "public_chat" }));
        string(&self.call("POST", "client/v3/createRoom", &room)?, "room_id")
    }

    /// Join a room.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn join(&self, room: &str) -> Result<()> {
        self.call("POST", &format!("client/v3/join/{}", escape(room)), &Body::Json(json!({}))).map(drop)
    }

    /// Say something in a room.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn say(&self, room: &str, text: &str) -> Result<()> {
        let path = format!("client/v3/rooms/{}/send/m.room.message/{}", escape(room), escape(text));
        self.call("PUT", &path, &Body::Json(json!({ "msgtype": "m.text", "body": text }))).map(drop)
    }

    /// What was said in a room, the latest first.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn messages(&self, room: &str) -> Result<Vec<String>> {
        let answer = self.get(&format!("client/v3/rooms/{}/messages?dir=b&limit=100", escape(room)))?;
        let events = answer.get("chunk").and_then(Value::as_array).context("no list of events")?;
        let body = |event: &Value| Some(event.get("content")?.get("body")?.as_str()?.to_owned());
        Ok(events.iter().filter_map(body).collect())
    }

    /// Upload a text: its address, `mxc://SERVER/NAME`.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn upload(&self, text: &str) -> Result<String> {
        string(&self.call("POST", "media/v3/upload?filename=note.txt", &Body::Text(text))?, "content_uri")
    }

    /// What was uploaded at an address.
    ///
    /// # Errors
    /// The homeserver refuses.
    pub fn download(&self, address: &str) -> Result<String> {
        let name = address.strip_prefix("mxc://").with_context(|| format!("no media address: {address}"))?;
        self.request("GET", &format!("client/v1/media/download/{name}"), &Body::None)
    }

    /// The name a user shows, which the homeserver asks the user's own homeserver for.
    ///
    /// # Errors
    /// The homeserver gets no answer.
    pub fn display_name(&self, user: &str) -> Result<String> {
        string(&self.get(&format!("client/v3/profile/{}", escape(user)))?, "displayname")
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, &Body::None)
    }

    fn call(&self, method: &str, path: &str, body: &Body<'_>) -> Result<Value> {
        let answer = self.request(method, path, body)?;
        serde_json::from_str(&answer).with_context(|| format!("{method} {path}: not JSON: {answer}"))
    }

    fn request(&self, method: &str, path: &str, body: &Body<'_>) -> Result<String> {
        let url = format!("http://{MACHINE}/_matrix/{path}");
        let authorization = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}"));
        let mut words = ON_NEIGHBOUR.to_vec();
        words.extend(["curl", "-sS", "--fail-with-body", "--max-time", "60", "-X", method, &url]);
        words.extend(authorization.iter().flat_map(|header| ["-H", header]));
        let input = match body {
            Body::None => String::new(),
            Body::Json(value) => value.to_string(),
            Body::Text(text) => (*text).to_owned(),
        };
        match body {
            Body::None => {}
            Body::Json(_) => words.extend(["-H", "Content-Type: application/json", "--data-binary", "@-"]),
            Body::Text(_) => words.extend(["-H", "Content-Type: text/plain", "--data-binary", "@-"]),
        }
        let outcome = self.machine.feed(&words, input.as_bytes())?;
        if !outcome.success() {
            bail!("{method} {path}: {} {}", outcome.stderr.trim(), outcome.stdout.trim());
        }
        Ok(outcome.stdout)
    }
}

/// Wait until the homeserver answers through the proxy: its notification to systemd precedes its listening sockets.
///
/// # Errors
/// It does not within a minute.
pub fn wait_for_answer(machine: &Machine) -> Result<()> {
    let client = Client::anonymous(machine);
    let mut last = None;
    for _ in 0..240 {
        match client.versions() {
            Ok(answer) => {
                ensure!(answer.get("versions").is_some_and(Value::is_array), "no versions: {answer}");
                return Ok(());
            }
            Err(error) => last = Some(error),
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    Err(last.context("unreachable: at least one try")?)
}

fn string(answer: &Value, key: &str) -> Result<String> {
    let text = answer.get(key).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no {key} in {answer}"))
}

/// Percent-encode all but the unreserved characters (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
