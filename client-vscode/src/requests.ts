/** What the extension asks of the server: its commands, and the words for what went wrong. */

import * as vscode from "vscode";
import {
  ErrorCodes,
  ExecuteCommandParams,
  ExecuteCommandRequest,
  LSPErrorCodes,
  LanguageClient,
  Range,
  ResponseError,
  WorkspaceEdit,
} from "vscode-languageclient/node";

import { sentence } from "./text";

export const OPTIMIZE = "promptopt.optimize";
export const VARIANTS = "promptopt.variants";
export const PREVIEW = "promptopt.preview";
export const DOCTOR = "promptopt.doctor";

/** The arguments of `promptopt.preview`; `token` is that of the `$/progress` notifications that follow. */
export interface PreviewParams {
  readonly textDocument: { readonly uri: string; readonly version: number };
  readonly range: Range;
  readonly token: string;
}

/** What the network has written so far. */
export interface PreviewProgress {
  readonly text: string;
  readonly tokens: number;
}

/** The rewrite, and the edit that would put it in its place; the server applies nothing. */
export interface PreviewResult {
  readonly edit: WorkspaceEdit;
  readonly text: string;
  readonly confidence: number;
  readonly tokens: number;
  readonly seconds: number;
}

/** Runs a command of the server, which tells its progress under `workDoneToken`. */
export async function execute(
  client: LanguageClient,
  command: string,
  argument?: unknown,
  token?: vscode.CancellationToken,
  workDoneToken?: string,
): Promise<unknown> {
  const params: ExecuteCommandParams = { command, arguments: argument === undefined ? [] : [argument] };
  if (workDoneToken !== undefined) params.workDoneToken = workDoneToken;
  return (await client.sendRequest(ExecuteCommandRequest.type, params, token)) as unknown;
}

/** Whether an error only says that the user did not want the answer any more. */
export function isCancelled(error: unknown): boolean {
  const codes: number[] = [LSPErrorCodes.RequestCancelled, LSPErrorCodes.ServerCancelled];
  return error instanceof vscode.CancellationError || (error instanceof ResponseError && codes.includes(error.code));
}

/** Whether an error only says that the server's process has ended. */
export function isLost(error: unknown): boolean {
  const codes: number[] = [ErrorCodes.PendingResponseRejected, ErrorCodes.ConnectionInactive, ErrorCodes.MessageWriteError];
  return error instanceof ResponseError && codes.includes(error.code);
}

/** The sentence of an error. */
export function messageOf(error: unknown): string {
  if (isLost(error)) return "The language server has ended meanwhile; nothing was replaced.";
  return sentence(error);
}
