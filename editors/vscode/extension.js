// Starts `sandboxed lsp` and hands it the Nix files, and of the JSON files those that are policies by their name.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate() {
  const settings = workspace.getConfiguration("sandboxed");
  const target = settings.get("target");
  const args = target ? ["lsp", "--target", target] : ["lsp"];
  client = new LanguageClient(
    "sandboxed",
    "sandboxed",
    { command: settings.get("path"), args },
    {
      documentSelector: [
        { scheme: "file", language: "nix" },
        { scheme: "file", language: "json", pattern: "**/*.sandboxed.json" },
        { scheme: "file", language: "jsonc", pattern: "**/*.sandboxed.json" },
      ],
    },
  );
  await client.start();
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
