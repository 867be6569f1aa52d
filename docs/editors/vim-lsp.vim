" Vim with vim-lsp: in vimrc. Select, then :LspCodeAction
if executable('promptopt-lsp')
  autocmd User lsp_setup call lsp#register_server({
        \ 'name': 'promptopt',
        \ 'cmd': {server_info -> ['promptopt-lsp', '--stdio']},
        \ 'allowlist': ['markdown', 'text', 'gitcommit', 'python', 'javascript', 'json', 'yaml', 'toml', 'sh'],
        \ 'initialization_options': {'adapter': 'golden'},
        \ })
endif
