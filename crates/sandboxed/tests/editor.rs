//! A real editor: Neovim with nothing but its own client, driven by keys, against the built program.
//!
//! The tests are ignored by default because not every machine has Neovim; `cargo xtask test` runs them where it does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Editor {
    child: Child,
    folder: tempfile::TempDir,
}

impl Editor {
    /// Opens a file of this name and text.
    fn open(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let program = env!("CARGO_BIN_EXE_sandboxed");
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../../editors/neovim/sandboxed.lua");
        let child = Command::new("nvim")
            .args(["--headless", "--clean", "-n", "--listen"])
            .arg(folder.path().join("socket"))
            .args([
                "--cmd",
                &format!("let g:sandboxed_command = ['{program}', 'lsp', '--target', 'debian-13']"),
            ])
            .args(["--cmd", &format!("source {client}")])
            // Of several choices the first.
            .args(["--cmd", "lua vim.ui.select = function(items, _, choose) choose(items[1], 1) end"])
            .args(["--cmd", "set completeopt=menuone,noinsert", "--cmd", "filetype on"])
            .args(["--cmd", "autocmd BufRead *.nix setfiletype nix"])
            .arg(folder.path().join(name))
            .env("XDG_CACHE_HOME", folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nvim can be started");
        let editor = Self { child, folder };
        editor.wait_for(
            "#vim.tbl_filter(function(c) return c.initialized end, vim.lsp.buf_get_clients(0))",
            "1",
        );
        editor
    }

    fn remote(&self, arguments: &[&str]) -> String {
        let socket = self.folder.path().join("socket");
        let output = Command::new("nvim").arg("--server").arg(socket).args(arguments).output().unwrap();
        let shown = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&shown).replace("\r\n", "\n").trim_end().to_owned()
    }

    /// Presses keys.
    fn press(&self, keys: &str) {
        self.remote(&["--remote-send", keys]);
    }

    /// What a Lua expression is in the editor, as text.
    fn lua(&self, expression: &str) -> String {
        let quoted = format!("tostring({expression})").replace('\'', "''");
        self.remote(&["--remote-expr", &format!("luaeval('{quoted}')")])
    }

    #[track_caller]
    fn wait_for(&self, expression: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let found = self.lua(expression);
            if found == expected {
                return;
            }
            let buffer = "table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')";
            let waiting = start.elapsed() < PATIENCE;
            assert!(waiting, "{expression}\n is {found:?}, not {expected:?}, in\n{}", self.lua(buffer));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn wait_for_line(&self, number: usize, expected: &str) {
        self.wait_for(&format!("vim.fn.getline({number})"), expected);
    }

    #[track_caller]
    fn wait_for_codes(&self, expected: &str) {
        self.wait_for(
            "table.concat(vim.tbl_map(function(d) return d.code end, vim.diagnostic.get(0)), ' ')",
            expected,
        );
    }

    fn ask(&self, method: &str) -> String {
        let position = "vim.lsp.util.make_position_params()";
        self.lua(&format!("vim.inspect(vim.lsp.buf_request_sync(0, '{method}', {position}, 60000))"))
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIGURATION: &str = "{ config, lib, ... }:
{
  services.matrix-synapse.enable = true;
  services.sandboxed.synapse = {
    enable = true; # 🏠
  };
}
";

#[test]
#[ignore = "needs Neovim"]
fn a_configuration_is_completed_corrected_and_explained() {
    let editor = Editor::open("configuration.nix", CONFIGURATION);
    editor.wait_for_codes("");

    // Types half of an option's name, asks for completion, accepts it.
    editor.press("/enable = true; #<CR>onetwork.res<C-x><C-o>");
    editor.wait_for("vim.fn.pumvisible()", "1");
    editor.wait_for(
        "vim.tbl_map(function(i) return i.abbr end, vim.fn.complete_info({'items'}).items)[1]",
        "resolver",
    );
    editor.press("<C-y>");
    editor.wait_for_line(6, "    network.resolver");

    // A wrong value is underlined while the line is typed, behind a character that UTF-16 has two units for.
    editor.press(" = /* 🏠 */ \"nonn\";<Esc>");
    editor.wait_for_line(6, "    network.resolver = /* 🏠 */ \"nonn\";");
    editor.wait_for_codes("wrong-value");
    assert_eq!(
        editor.lua("vim.diagnostic.get(0)[1].message"),
        "`nonn` is not `host`, `servers` or `none`\ndid you mean `none`?"
    );
    // In bytes: the editor has counted back from UTF-16.
    assert_eq!(editor.lua("vim.diagnostic.get(0)[1].col"), "34");

    // A code action corrects it, and the diagnostic vanishes.
    editor.press("$F\"<Cmd>lua vim.lsp.buf.code_action()<CR>");
    editor.wait_for_line(6, "    network.resolver = /* 🏠 */ \"none\";");
    editor.wait_for_codes("");

    // Explanation of the option under the cursor.
    editor.press("0f.l");
    let hover = editor.ask("textDocument/hover");
    assert!(hover.contains("**network.resolver**") && hover.contains("local-ports-closed"), "{hover}");

    // Taking `enable` away is noticed, and undone by the action that is offered.
    editor.press("/enable = true; #<CR>dd");
    editor.wait_for_codes("not-enabled");
    editor.press("gg/sandboxed.syn/e<CR><Cmd>lua vim.lsp.buf.code_action()<CR>");
    editor.wait_for_line(5, "    enable = true;");
    editor.wait_for_codes("");

    // The outline, and the preset's text.
    let symbols = editor.lua(
        "vim.inspect(vim.lsp.buf_request_sync(0, 'textDocument/documentSymbol', { textDocument = vim.lsp.util.make_text_document_params() }, 60000))",
    );
    assert!(symbols.contains("name = \"synapse\"") && symbols.contains("name = \"network\""), "{symbols}");
    editor.press("gg/sandboxed.syn/e<CR><Cmd>lua vim.lsp.buf.definition()<CR>");
    editor.wait_for("vim.fn.fnamemodify(vim.api.nvim_buf_get_name(0), ':t')", "synapse.json");
    let shown = editor.lua("table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')");
    let preset =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../presets/synapse.json"));
    assert_eq!(shown, preset.unwrap().trim_end());
}

#[test]
#[ignore = "needs Neovim"]
fn typing_a_sandbox_from_nothing() {
    let editor = Editor::open("configuration.nix", "{ ... }:\n{\n}\n");
    editor.press("joservices.sandboxed.<C-x><C-o>");
    editor.wait_for("vim.fn.pumvisible()", "1");
    editor.press("<C-y>");
    editor.wait_for_line(3, "services.sandboxed.synapse");
    editor.press(".enable = true;<CR>services.sandboxed.synapse.network.lis<C-x><C-o>");
    editor.wait_for("vim.fn.pumvisible()", "1");
    editor.press("<C-y> = [ { <C-x><C-o>");
    editor.wait_for("vim.fn.pumvisible()", "1");
    editor.press("<C-y> = 99999; } ];<Esc>");
    editor.wait_for_line(4, "services.sandboxed.synapse.network.listen = [ { port = 99999; } ];");
    editor.wait_for_codes("wrong-value");
    editor.press(":s/99999/8448/<CR>");
    editor.wait_for_codes("");
}

#[test]
#[ignore = "needs Neovim"]
fn a_policy_in_json_is_treated_alike() {
    let text = "{\n  \"$schema\": \"sandboxed.schema.json\",\n  \"version\": 1, // comments are fine\n  \"preset\": \"synapse\"\n}\n";
    let editor = Editor::open("policy.json", text);
    editor.wait_for_codes("");
    editor.press("/preset<CR>A,<CR>\"net<C-x><C-o>");
    editor.wait_for("vim.fn.pumvisible()", "1");
    editor.press("<C-y>: { \"resolver\": \"hots\" }<Esc>");
    editor.wait_for_line(5, "  \"network\": { \"resolver\": \"hots\" }");
    editor.wait_for_codes("wrong-value");
    editor.press("/hots<CR><Cmd>lua vim.lsp.buf.code_action()<CR>");
    editor.wait_for_line(5, "  \"network\": { \"resolver\": \"host\" }");
    editor.wait_for_codes("");
}
