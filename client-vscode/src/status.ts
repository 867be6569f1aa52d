/** The item in the status bar: what the server is doing. */

import * as vscode from "vscode";

export type State = "starting" | "loading" | "ready" | "running" | "error" | "stopped";

/** What the server sends as `promptopt/status`, and what the extension says itself. */
export interface StatusParams {
  readonly state: State;
  readonly message: string;
}

const ICONS: Record<State, string> = {
  starting: "$(sync~spin)",
  loading: "$(sync~spin)",
  ready: "$(sparkle)",
  running: "$(loading~spin)",
  error: "$(warning)",
  stopped: "$(circle-slash)",
};

/** Shows the last state that was told; a click runs the doctor. */
export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("promptopt.status", vscode.StatusBarAlignment.Right, 50);

  constructor() {
    this.item.name = "promptopt";
    this.item.command = "promptopt.showDoctor";
    this.tell({ state: "stopped", message: "Not started." });
    this.item.show();
  }

  tell({ state, message }: StatusParams): void {
    this.item.text = `${ICONS[state]} promptopt: ${state}`;
    this.item.tooltip = message;
    const colour = state === "error" ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    this.item.backgroundColor = colour;
  }

  dispose(): void {
    this.item.dispose();
  }
}
