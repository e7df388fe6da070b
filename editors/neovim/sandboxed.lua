-- Neovim's own client for `sandboxed lsp`: source this file, or copy what it does (docs/editors.md).
-- It needs nothing but Neovim 0.7; later versions can say the same with vim.lsp.config.

local command = vim.g.sandboxed_command or { "sandboxed", "lsp" }
local clients = {}

local function attach(buffer)
  local file = vim.api.nvim_buf_get_name(buffer)
  if file == "" then
    return
  end
  local folder = vim.fn.fnamemodify(file, ":p:h")
  local flake = vim.fn.findfile("flake.nix", folder .. ";")
  local root = flake ~= "" and vim.fn.fnamemodify(flake, ":p:h") or folder
  if not clients[root] then
    clients[root] = vim.lsp.start_client({
      name = "sandboxed",
      cmd = command,
      root_dir = root,
      on_exit = function()
        clients[root] = nil
      end,
    })
  end
  if clients[root] then
    vim.lsp.buf_attach_client(buffer, clients[root])
    vim.api.nvim_buf_set_option(buffer, "omnifunc", "v:lua.vim.lsp.omnifunc")
  end
end

vim.api.nvim_create_autocmd("FileType", {
  pattern = { "nix", "json", "jsonc" },
  callback = function(event)
    -- Of JSON files only policies: those that name their schema.
    if event.match ~= "nix" then
      local head = table.concat(vim.api.nvim_buf_get_lines(event.buf, 0, 5, false), "\n")
      if not head:find("sandboxed.schema.json", 1, true) then
        return
      end
    end
    attach(event.buf)
  end,
})
