;;; eglot.el --- promptopt in Emacs 29 (or 28 with the package eglot)  -*- lexical-binding: t -*-
;; Select, then M-x eglot-code-actions. M-x eglot starts it for a buffer.
(defvar promptopt-command '("promptopt-lsp" "--stdio"))
(with-eval-after-load 'eglot
  (dolist (mode '(text-mode markdown-mode python-mode js-mode))
    (add-to-list 'eglot-server-programs (cons mode promptopt-command))))
