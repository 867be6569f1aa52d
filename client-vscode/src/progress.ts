/** Shows how far a rewrite is, where the user can cancel it: the client library's own progress, in the status bar, has no button. */

import { randomUUID } from "node:crypto";
import * as vscode from "vscode";
import { LanguageClient, WorkDoneProgress } from "vscode-languageclient/node";

import { execute } from "./requests";

const SHOWN_AFTER_MS = 200;

/** Runs a command of the server. What is not done in a blink gets a notification, until the server's progress ends; its button cancels. */
export async function executeShown(client: LanguageClient, command: string, argument: unknown): Promise<void> {
  const stop = new vscode.CancellationTokenSource();
  const messages = new vscode.EventEmitter<string>();
  const workDoneToken = randomUUID();
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const listening = client.onProgress(WorkDoneProgress.type, workDoneToken, (progress) => {
    if (progress.kind === "end") end();
    else if (progress.message !== undefined) messages.fire(progress.message);
  });
  const showing = setTimeout(() => {
    const options = { location: vscode.ProgressLocation.Notification, title: "Optimize prompt", cancellable: true };
    void vscode.window.withProgress(options, (shown, cancel) => {
      cancel.onCancellationRequested(() => {
        stop.cancel();
      });
      messages.event((message) => {
        shown.report({ message });
      });
      return ended;
    });
  }, SHOWN_AFTER_MS);
  void ended.then(() => {
    clearTimeout(showing);
  });
  try {
    await execute(client, command, argument, stop.token, workDoneToken);
  } finally {
    end();
    vscode.Disposable.from(listening, messages, stop).dispose();
  }
}
