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
  TextDocumentEdit,
  ResponseError,
  SetTraceNotification,
  TraceValue,
  TransportKind,
  WorkspaceEdit,
} from "vscode-languageclient/node";

import { executeShown } from "./progress";
import { OPTIMIZE, VARIANTS } from "./requests";
import { SECTION, forServer } from "./settings";
import { StatusParams } from "./status";

/** What the rest of the extension wants to know of a connection. */
export interface Listener {
  status(status: StatusParams): void;
  /** An edit of the server's is about to be applied. */
  rewriting(edit: vscode.WorkspaceEdit): void;
  /** A rewrite that a code action has asked for has come to nothing, or was cancelled. */
  failed(error: unknown): void;
  /** The process of a server that was running has ended, and nobody asked for it. */
  crashed(): void;
}

/**
 * Says to the server that `promptopt/status` is understood, and that a code action is to come with a command: the edit of one that is
 * resolved loses the version of its document in the library, and would be applied to whatever the document is by then. Registered last.
 */
class OwnCapabilities implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    const experimental = capabilities.experimental as Record<string, unknown> | undefined;
    capabilities.experimental = { ...experimental, promptoptStatus: true };
    delete capabilities.textDocument?.codeAction?.resolveSupport;
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
        resolveCodeAction: (action) => action, // it has its command
        executeCommand: async (command, args: unknown[], next) => {
          if (![OPTIMIZE, VARIANTS].includes(command)) return (await next(command, args)) as unknown;
          await executeShown(client, command, args[0]).catch((error: unknown) => {
            listener.failed(error);
          });
          return undefined;
        },
        workspace: {
          configuration: async (params, token, next) => {
            const answers = await next(params, token);
            if (!Array.isArray(answers)) return answers;
            return answers.map((answer: unknown, at) => (params.items[at]?.section === SECTION ? forServer(answer) : answer));
          },
          handleApplyEdit: async (params, next) => {
            const edit = await client.protocol2CodeConverter.asWorkspaceEdit(params.edit);
            if (isCurrent(params.edit)) listener.rewriting(edit);
            const result = await next(params, CancellationToken.None);
            if (result instanceof ResponseError || result.applied) return result;
            // The server makes the edit anew for the document that it knows: what was typed goes ahead of the answer, as of any message.
            await client.sendNotification(SetTraceNotification.type, { value: TraceValue.Off });
            const failureReason = isCurrent(params.edit) ? "VS Code did not make the change" : "the document has changed meanwhile";
            return { ...result, failureReason };
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
  client.registerFeature(new OwnCapabilities());
  client.onNotification("promptopt/status", (status: StatusParams) => {
    listener.status(status);
  });
  return client;
}

/** Whether an edit of the server's is for the documents as they are. */
function isCurrent(edit: WorkspaceEdit): boolean {
  return (edit.documentChanges ?? []).every((change) => {
    if (!TextDocumentEdit.is(change) || change.textDocument.version === null) return true;
    const uri = vscode.Uri.parse(change.textDocument.uri).toString();
    const document = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri);
    return document === undefined || document.version === change.textDocument.version;
  });
}
