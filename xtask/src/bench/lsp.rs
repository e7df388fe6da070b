//! The language server as an editor meets it: a process that is sent messages and answers them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::measure::{Contender, compare};

/// Lines of the configuration that is edited.
const LINES: usize = 10_000;
const URI: &str = "file:///etc/nixos/configuration.nix";

/// Measure.
///
/// # Errors
/// The server does not build, or does not answer.
pub(super) fn run() -> Result<()> {
    let program = super::released_programs()?.join("sandboxed");
    let text = configuration();
    let mut bare = Command::new(&program);
    bare.arg("--version").stdout(Stdio::null());
    compare(
        "start to first answer, the server started and a small file completed; the limit is 30 ms",
        20,
        &mut [
            Contender::new("sandboxed --version", || {
                let start = Instant::now();
                ensure!(bare.status()?.success(), "sandboxed --version fails");
                Ok(start.elapsed())
            }),
            Contender::new("sandboxed lsp, first completion", || first_answer(&program)),
        ],
    )?;
    let mut server = Server::start(&program)?;
    server.open(&text)?;
    let memory = server.peak_memory()?;
    let place = text.lines().position(|line| line.contains("resolver = ")).context("nothing to edit")?;
    let server = std::cell::RefCell::new(server);
    let mut even = false;
    let limits = "the limits are 20 ms, 20 ms and 5 ms";
    compare(
        &format!("a configuration of {LINES} lines with 40 sandboxes; {limits}"),
        50,
        &mut [
            Contender::new("keystroke to diagnostics", || {
                even = !even;
                server.borrow_mut().keystroke(place, even)
            }),
            Contender::new("hover", || server.borrow_mut().ask("textDocument/hover", place, 13)),
            Contender::new("completion of an option", || {
                server.borrow_mut().ask("textDocument/completion", place, 13)
            }),
        ],
    )?;
    let after = server.borrow().peak_memory()?;
    println!(
        "  memory at its highest: {memory} kB after opening, {after} kB after 150 requests; the limit is 50 MB"
    );
    Ok(())
}

fn configuration() -> String {
    let mut text = String::from("{ config, lib, pkgs, ... }:\n{\n");
    let mut number = 0;
    while text.lines().count() < LINES - 20 {
        for _ in 0..40 {
            number += 1;
            let _ = write!(
                text,
                "  services.app{number} = {{\n    enable = true;\n    settings.port = {number};\n    \
                 extraConfig = [ \"a\" \"b ${{toString config.x}}\" ]; # as upstream has it\n  }};\n\n"
            );
        }
        let _ = write!(
            text,
            "  services.sandboxed.app{number} = {{\n    enable = true;\n    unit = \"app{number}.service\";\n    \
             network.resolver = \"none\";\n    network.listen = [ {{ port = 8080; }} ];\n    \
             filesystem.state = [ \"/var/lib/app{number}\" ];\n  }};\n\n"
        );
    }
    text + "}\n"
}

fn first_answer(program: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mut server = Server::start(program)?;
    server.open("{\n  services.sandboxed.synapse.network.\n}\n")?;
    server.ask("textDocument/completion", 1, 37)?;
    Ok(start.elapsed())
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["lsp", "--target", "debian-13"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut server = Self { child, input, output, next: 0 };
        server.request("initialize", &json!({ "capabilities": {} }))?;
        server.send(&json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }))?;
        Ok(server)
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len())?;
        Ok(self.input.flush()?)
    }

    fn receive(&mut self) -> Result<Value> {
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(self.output.read_line(&mut line)? > 0, "the server is gone");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse::<usize>().ok(),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length.context("a message without a length")?];
        self.output.read_exact(&mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Asks, and skips what is not the answer.
    fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let mut message = self.receive()?;
            if message.get("id") == Some(&json!(id)) {
                let result = message.get_mut("result").map(Value::take);
                return result.with_context(|| format!("{method} is refused"));
            }
        }
    }

    fn diagnostics(&mut self) -> Result<usize> {
        loop {
            let message = self.receive()?;
            if message.get("method") == Some(&json!("textDocument/publishDiagnostics")) {
                return Ok(message
                    .pointer("/params/diagnostics")
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len));
            }
        }
    }

    fn open(&mut self, text: &str) -> Result<()> {
        let document = json!({ "uri": URI, "languageId": "nix", "version": 1, "text": text });
        self.send(&json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }))?;
        let found = self.diagnostics()?;
        ensure!(found == 0, "{found} diagnostics in a file that is right");
        Ok(())
    }

    /// Types a character into a value, or takes it away again.
    fn keystroke(&mut self, line: usize, typed: bool) -> Result<Duration> {
        let (end, text) = if typed { (24, "x") } else { (25, "") };
        let range =
            json!({ "start": { "line": line, "character": 24 }, "end": { "line": line, "character": end } });
        let change = json!({
            "textDocument": { "uri": URI, "version": 2 },
            "contentChanges": [{ "range": range, "text": text }],
        });
        let start = Instant::now();
        self.send(&json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": change }))?;
        let found = self.diagnostics()?;
        let time = start.elapsed();
        ensure!((found == 1) == typed, "{found} diagnostics");
        Ok(time)
    }

    fn ask(&mut self, method: &str, line: usize, character: usize) -> Result<Duration> {
        let position =
            json!({ "textDocument": { "uri": URI }, "position": { "line": line, "character": character } });
        let start = Instant::now();
        let answer = self.request(method, &position)?;
        let time = start.elapsed();
        ensure!(!answer.is_null() && answer != json!([]), "{method} has no answer");
        Ok(time)
    }

    /// In kB.
    fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
