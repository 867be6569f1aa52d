/** The connection with the server: how it is started, what it is told, and what happens when it ends. */

import * as vscode from "vscode";
import {
  CancellationToken,
  ClientCapabilities,
  CloseAction,
  ErrorAction,
  FeatureState,
  LanguageClient,
  State,
  StaticFeature,
  TransportKind,
} from "vscode-languageclient/node";

import { SECTION, forServer } from "./settings";
import { StatusParams } from "./status";

/** What the rest of the extension wants to know of a connection. */
export interface Listener {
  status(status: StatusParams): void;
  /** An edit of the server's is about to be applied. */
  rewriting(edit: vscode.WorkspaceEdit): void;
  /** The process of a server that was running has ended, and nobody asked for it. */
  crashed(): void;
}

/** Says to the server that `promptopt/status` is understood. */
class StatusCapability implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    const experimental = capabilities.experimental as Record<string, unknown> | undefined;
    capabilities.experimental = { ...experimental, promptoptStatus: true };
  }

  initialize(): void {
    // nothing of the server's is needed
  }

  getState(): FeatureState {
    return { kind: "static" };
  }

  clear(): void {
    // nothing is kept
  }
}

/**
 * A client for the server in `file`, not yet started. It starts no server again by itself and says nothing of its connection: what
 * becomes of a server whose process has ended is for the listener to decide, and to say once.
 */
export function createClient(file: string, log: vscode.LogOutputChannel, listener: Listener): LanguageClient {
  const client: LanguageClient = new LanguageClient(
    "promptopt",
    "promptopt",
    { command: file, args: [], transport: TransportKind.stdio },
    {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
      outputChannel: log,
      initializationOptions: forServer(vscode.workspace.getConfiguration(SECTION)),
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
      },
      middleware: {
        resolveCodeAction: async (action, token, next) => {
          const resolved = await next(action, token);
          if (resolved?.edit) listener.rewriting(resolved.edit);
          return resolved;
        },
        workspace: {
          configuration: async (params, token, next) => {
            const answers = await next(params, token);
            if (!Array.isArray(answers)) return answers;
            return answers.map((answer: unknown, at) => (params.items[at]?.section === SECTION ? forServer(answer) : answer));
          },
          handleApplyEdit: async (params, next) => {
            listener.rewriting(await client.protocol2CodeConverter.asWorkspaceEdit(params.edit));
            return next(params, CancellationToken.None);
          },
        },
      },
    },
  );
  const told = client.error.bind(client);
  // what the library insists on showing is that a server did not start, which is said with buttons elsewhere
  client.error = (message, data, shown) => {
    told(message, data, shown === "force" ? false : shown);
  };
  client.onDidChangeState(({ oldState, newState }) => {
    // a client that was asked to stop has no result any more
    if (oldState === State.Running && newState === State.Stopped && client.initializeResult !== undefined) listener.crashed();
  });
  client.registerFeature(new StatusCapability());
  client.onNotification("promptopt/status", (status: StatusParams) => {
    listener.status(status);
  });
  return client;
}
