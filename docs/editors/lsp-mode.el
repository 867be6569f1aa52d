;;; lsp-mode.el --- promptopt in Emacs with lsp-mode  -*- lexical-binding: t -*-
;; Select, then M-x lsp-execute-code-action. As an add-on it runs beside the language's own server.
(defvar promptopt-command '("promptopt-lsp" "--stdio"))
(with-eval-after-load 'lsp-mode
  (add-to-list 'lsp-language-id-configuration '(text-mode . "plaintext"))
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () promptopt-command))
    :activation-fn (lsp-activate-on "plaintext" "markdown" "python" "javascript" "json" "yaml")
    :initialization-options '(:adapter "golden")
    :add-on? t
    :server-id 'promptopt)))
