-- Rewrites a part of a file with the configuration of docs/editors. The selection is given in bytes from the beginning of the file.
local function position(offset)
  local row = vim.fn.byte2line(offset + 1)
  return { row, offset + 1 - vim.fn.line2byte(row) }
end

local function rewrite()
  vim.g.promptopt_command = vim.json.decode(os.getenv('PROMPTOPT_SERVER'))
  vim.cmd('filetype on')
  vim.cmd('luafile ' .. os.getenv('PROMPTOPT_CONFIGURATION') .. '/neovim-older.lua')
  vim.cmd('edit ' .. vim.fn.fnameescape(os.getenv('PROMPTOPT_FILE')))
  local buffer, id = vim.api.nvim_get_current_buf(), vim.g.promptopt_client
  assert(id, 'the client did not start')
  local client = vim.lsp.get_client_by_id(id)
  assert(vim.wait(120000, function() return client.initialized end, 10), 'no answer to initialize')
  vim.ui.select = function(items, _, choose) choose(items[1], 1) end
  local first, last = position(tonumber(os.getenv('PROMPTOPT_START_BYTE'))), position(tonumber(os.getenv('PROMPTOPT_END_BYTE')) - 1)
  local before = vim.api.nvim_buf_get_changedtick(buffer)
  vim.lsp.buf.range_code_action({ only = { 'refactor.rewrite' } }, first, last)
  assert(vim.wait(120000, function() return vim.api.nvim_buf_get_changedtick(buffer) > before end, 10), 'nothing was rewritten')
  vim.cmd('silent write')
  vim.lsp.stop_client(id)
  vim.wait(30000, function() return vim.lsp.get_client_by_id(id) == nil end, 10)
end

local fine, problem = pcall(rewrite)
if not fine then
  io.stderr:write(tostring(problem) .. '\n')
  vim.cmd('cquit 1')
end
vim.cmd('qall!')
