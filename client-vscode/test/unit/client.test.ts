import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import type * as vscode from "vscode";
import { ClientCapabilities, ErrorCodes, ExecuteCommandParams, LanguageClient, ResponseError } from "vscode-languageclient/node";

import { createClient } from "../../src/client";
import { OPTIMIZE } from "../../src/requests";
import { fake } from "../fake/vscode.cjs";

const log = { logLevel: 3, onDidChangeLogLevel: () => ({ dispose: () => undefined }) } as unknown as vscode.LogOutputChannel;

/** What the library computes for `initialize`, and keeps to itself. */
interface Computing {
  computeClientCapabilities(): ClientCapabilities;
}

let failures: unknown[] = [];
let rewriting: () => unknown;
let client: LanguageClient;

beforeEach(() => {
  failures = [];
  const nothing = (): void => undefined;
  client = createClient("promptopt-lsp", log, {
    status: nothing,
    rewriting: () => rewriting(),
    failed: (error) => failures.push(error),
    crashed: nothing,
  });
});

test("the server is told of its status, and that no code action is resolved: the edit would lose the version of its document", () => {
  const capabilities = (client as unknown as Computing).computeClientCapabilities();
  const { textDocument } = capabilities;
  assert.deepEqual(capabilities.experimental, { promptoptStatus: true });
  assert.equal(textDocument?.codeAction?.disabledSupport, true);
  assert.equal(textDocument.codeAction.resolveSupport, undefined);
});

describe("the command of a code action", () => {
  const request = { uri: "file:///a", version: 1, start: 0, text: "create function" };
  const run = (answer: (params: ExecuteCommandParams) => unknown): unknown => {
    client.sendRequest = ((_: unknown, params: ExecuteCommandParams) => Promise.resolve(answer(params))) as LanguageClient["sendRequest"];
    return client.middleware.executeCommand?.(OPTIMIZE, [request], () => assert.fail("it would be without a progress"));
  };

  test("is run as it is, with a progress of its own", async () => {
    let asked: ExecuteCommandParams | undefined;
    await run((params) => {
      asked = params;
    });
    assert.deepEqual([asked?.command, asked?.arguments, typeof asked?.workDoneToken], [OPTIMIZE, [request], "string"]);
    assert.deepEqual(failures, []);
  });

  test("that the server refuses is said", async () => {
    const refusal = new ResponseError(ErrorCodes.InvalidParams, "no");
    await run(() => Promise.reject(refusal));
    assert.deepEqual(failures, [refusal]);
  });
});

describe("an edit of the server's", () => {
  const uri = { toString: () => "file:///a" };
  const document = { uri, version: 1 };
  const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 6 } };
  const change = { textDocument: { uri: "file:///a", version: 1 }, edits: [{ range, newText: "AFTER" }] };

  /** What the server is answered, and what happened ahead of that. */
  async function answered(applied: boolean): Promise<{ result: unknown; events: string[] }> {
    const events: string[] = [];
    rewriting = () => events.push("announced");
    client.sendNotification = ((type: { method: string }) => {
      events.push(type.method);
      return Promise.resolve();
    }) as unknown as LanguageClient["sendNotification"];
    const next = () => {
      events.push("asked for");
      return Promise.resolve({ applied });
    };
    const result = await client.middleware.workspace?.handleApplyEdit?.({ edit: { documentChanges: [change] } }, next);
    return { result, events };
  }

  beforeEach(() => {
    document.version = 1;
    fake.open = [document];
  });

  test("is announced and applied", async () => {
    assert.deepEqual(await answered(true), { result: { applied: true }, events: ["announced", "asked for"] });
  });

  test("for a document that has changed is refused with the reason, and what was typed reaches the server ahead of that", async () => {
    document.version = 2;
    const result = { applied: false, failureReason: "the document has changed meanwhile" };
    assert.deepEqual(await answered(false), { result, events: ["asked for", "$/setTrace"] });
  });

  test("that the editor does not make is refused with another reason", async () => {
    const result = { applied: false, failureReason: "VS Code did not make the change" };
    assert.deepEqual(await answered(false), { result, events: ["announced", "asked for", "$/setTrace"] });
  });
});
