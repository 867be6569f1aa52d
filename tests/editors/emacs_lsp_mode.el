;;; emacs_lsp_mode.el --- Rewrites a part of a file through lsp-mode, with the configuration of docs/editors  -*- lexical-binding: t -*-
(setq package-enable-at-startup nil)
(require 'package)
(package-initialize)
(require 'json)
(require 'lsp-mode)
(load (expand-file-name "lsp-mode.el" (getenv "PROMPTOPT_CONFIGURATION")) nil t)
(setq promptopt-command (append (json-parse-string (getenv "PROMPTOPT_SERVER") :array-type 'list) nil)
      lsp-enabled-clients '(promptopt)
      lsp-response-timeout 150
      lsp-session-file (expand-file-name "lsp-session" (getenv "HOME"))
      lsp-restart 'ignore
      lsp-enable-file-watchers nil
      lsp-enable-suggest-server-download nil
      make-backup-files nil
      create-lockfiles nil
      require-final-newline nil
      transient-mark-mode t)
(let ((file (getenv "PROMPTOPT_FILE")))
  (lsp-workspace-folders-add (directory-file-name (file-name-directory file)))
  (find-file file))
(setq require-final-newline nil)
(lsp)
(with-timeout (150 (error "The server did not start"))
  (while (not (and (lsp-workspaces) (eq 'initialized (lsp--workspace-status (car (lsp-workspaces))))))
    (accept-process-output nil 0.05)))
(let ((start (+ (point-min) (string-to-number (getenv "PROMPTOPT_START"))))
      (end (+ (point-min) (string-to-number (getenv "PROMPTOPT_END")))))
  (goto-char end)
  (push-mark start t t)
  (let ((action (seq-find (lambda (action) (equal (lsp:code-action-title action) "Optimize prompt")) (lsp-code-actions-at-point))))
    (unless action (error "No action is offered"))
    (lsp-execute-code-action action)))
(save-buffer)
(setq lsp-restart 'ignore)
(ignore-errors (lsp-workspace-shutdown (car (lsp-workspaces))))
