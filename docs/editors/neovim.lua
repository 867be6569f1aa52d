-- Neovim 0.11 and newer: in init.lua, or as lsp/promptopt.lua with the table returned.
vim.lsp.config('promptopt', {
  cmd = { 'promptopt-lsp', '--stdio' },
  filetypes = { 'markdown', 'text', 'gitcommit', 'python', 'javascript', 'typescript', 'json', 'yaml', 'toml', 'sh' },
  init_options = { adapter = 'golden' },
})
vim.lsp.enable('promptopt')
