-- Rewrites one line of a file through the server, writes it, undoes the rewrite and writes again beside it.
-- PROMPTOPT_SERVER: the command as a JSON list.  PROMPTOPT_FILE: the file.  PROMPTOPT_LINE: the number of the line to select.
local function rewrite()
  local command = vim.json.decode(os.getenv('PROMPTOPT_SERVER'))
  local file, line = os.getenv('PROMPTOPT_FILE'), tonumber(os.getenv('PROMPTOPT_LINE'))
  vim.cmd('edit ' .. vim.fn.fnameescape(file))
  local buffer = vim.api.nvim_get_current_buf()
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  local id = vim.lsp.start_client({ name = 'promptopt', cmd = command, root_dir = vim.fn.getcwd(), capabilities = capabilities })
  assert(id, 'the client did not start')
  vim.lsp.buf_attach_client(buffer, id)
  local client = vim.lsp.get_client_by_id(id)
  assert(vim.wait(30000, function() return client.initialized end, 10), 'no answer to initialize')

  local function request(method, params)
    local answer, problem = client.request_sync(method, params, 120000, buffer)
    assert(answer, method .. ': ' .. tostring(problem))
    assert(not answer.err, method .. ': ' .. vim.inspect(answer.err))
    return answer.result
  end

  local last = #vim.fn.getline(line) - 1
  while last > 0 and bit.band(vim.fn.getline(line):byte(last + 1), 0xC0) == 0x80 do
    last = last - 1 -- marks stand on the first byte of a character
  end
  local params = vim.lsp.util.make_given_range_params({ line, 0 }, { line, last }, buffer, client.offset_encoding)
  params.context = { diagnostics = {}, only = { 'refactor.rewrite' } }
  local actions = request('textDocument/codeAction', params)
  assert(#actions >= 1 and actions[1].title == 'Optimize prompt', vim.inspect(actions))
  local action = request('codeAction/resolve', actions[1])
  vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding)
  vim.cmd('silent write')
  vim.cmd('silent undo')
  vim.cmd('silent write! ' .. vim.fn.fnameescape(file .. '.undone'))
  io.stdout:write('encoding ' .. client.offset_encoding .. '\n')

  vim.lsp.stop_client(id)
  assert(vim.wait(30000, function() return vim.lsp.get_client_by_id(id) == nil end, 10), 'the server did not stop')
end

local fine, problem = pcall(rewrite)
if not fine then
  io.stderr:write(tostring(problem) .. '\n')
  vim.cmd('cquit 1')
end
vim.cmd('qall!')
