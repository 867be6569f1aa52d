-- Neovim 0.7 to 0.10: in init.lua. Select, then :lua vim.lsp.buf.code_action() (0.7: range_code_action()).
vim.api.nvim_create_autocmd('FileType', {
  pattern = { 'markdown', 'text', 'gitcommit', 'python', 'javascript', 'typescript', 'json', 'yaml', 'toml', 'sh' },
  callback = function(event)
    local id = vim.g.promptopt_client
    if not (id and vim.lsp.get_client_by_id(id)) then
      id = vim.lsp.start_client({
        name = 'promptopt',
        cmd = vim.g.promptopt_command or { 'promptopt-lsp', '--stdio' },
        root_dir = vim.fn.getcwd(),
        init_options = { adapter = 'golden' },
      })
      vim.g.promptopt_client = id
    end
    vim.lsp.buf_attach_client(event.buf, id)
  end,
})
