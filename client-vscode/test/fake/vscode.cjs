// VS Code for tests without an editor: settings, trust, answers and documents are given; commands, messages and edits are noted; the rest does
// nothing. A position in a document is an offset.
"use strict";

const nothing = () => ({ dispose() {} });

const fake = {
  settings: {},
  trusted: true,
  shown: [],
  answers: [],
  cancels: false,
  commands: {},
  executed: [],
  tabs: [],
  tabsChanged: nothing,
  documents: {},
  open: [],
  editor: undefined,
  picks: "onDidAccept",
  offered: [],
  applied: [],
  applies: true,
  item: undefined,
};

/** A part of the interface: what is not given is a function, or an event, that does nothing. */
const part = (given) => new Proxy(given, { get: (target, name) => (name in target || typeof name === "symbol" ? target[name] : nothing) });

/** A class or an enumeration that nothing is wanted of but that it is there. */
const unused = () => new Proxy(class {}, { get: (target, name) => (name in target || typeof name === "symbol" ? target[name] : 0) });

const show = async (message) => {
  fake.shown.push(message);
  return fake.answers.shift();
};

class EventEmitter {
  listeners = new Set();
  event = (listener) => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };
  fire(value) {
    for (const listener of [...this.listeners]) listener(value);
  }
  dispose() {}
}

class CancellationTokenSource {
  cancelled = new EventEmitter();
  token = { isCancellationRequested: false, onCancellationRequested: this.cancelled.event };
  cancel() {
    if (this.token.isCancellationRequested) return;
    this.token.isCancellationRequested = true;
    this.cancelled.fire();
  }
  dispose() {}
}

class Range {
  constructor(start, end) {
    Object.assign(this, { start, end });
  }
  with({ end }) {
    return new Range(this.start, end);
  }
}

class WorkspaceEdit {
  set() {}
  replace(uri, { start, end }, text) {
    this.change = { uri: uri.toString(), start, end, text };
  }
}

/** Its user picks the first item as soon as it is shown: by Enter or by its button. */
class QuickPick {
  listeners = {};
  onDidAccept = (listener) => (this.listeners.onDidAccept = listener);
  onDidTriggerItemButton = (listener) => (this.listeners.onDidTriggerItemButton = listener);
  onDidHide = (listener) => (this.hide = listener);
  get selectedItems() {
    return this.items.slice(0, 1);
  }
  show() {
    this.listeners[fake.picks]({ item: this.items[0] });
  }
  dispose() {}
}

const file = (name) => ({ scheme: "file", path: name, fsPath: name, toString: () => `file://${name}` });

const vscode = {
  __esModule: true, // else who imports it copies what is there already, and nothing is made when it is asked for
  fake,
  version: "1.91.0",
  env: part({ appName: "a test", language: "en" }),
  LogLevel: { Off: 0, Trace: 1, Debug: 2, Info: 3, Warning: 4, Error: 5 },
  ProgressLocation: unused(),
  StatusBarAlignment: unused(),
  ThemeColor: unused(),
  ThemeIcon: unused(),
  CancellationError: class extends Error {},
  CancellationTokenSource,
  Disposable: class {
    static from(...all) {
      return { dispose: () => all.forEach((each) => each.dispose()) };
    }
  },
  EventEmitter,
  Range,
  Selection: class extends Range {},
  TabInputTextDiff: class {
    constructor(original, modified) {
      Object.assign(this, { original, modified });
    }
  },
  Uri: { file, from: ({ query }) => ({ toString: () => query }), parse: (text) => ({ path: text, toString: () => text }) },
  WorkspaceEdit,
  commands: part({
    registerCommand: (name, run) => (fake.commands[name] = run),
    executeCommand: async (...all) => {
      fake.executed.push(all);
      const [name, original, modified] = all;
      if (name === "vscode.diff") fake.tabs.push({ input: new vscode.TabInputTextDiff(original, modified) });
    },
  }),
  extensions: { getExtension: () => undefined },
  languages: part({}),
  workspace: part({
    get textDocuments() {
      return fake.open;
    },
    notebookDocuments: [],
    getConfiguration: (section, scope) => ({ get: (name, otherwise) => (scope?.settings ?? fake.settings)[name] ?? otherwise }),
    openTextDocument: async (uri) => fake.documents[uri] ?? Promise.reject(new Error(`there is no ${uri}`)),
    applyEdit: async ({ change }) => {
      if (fake.applies) fake.applied.push(change);
      return fake.applies;
    },
    get isTrusted() {
      return fake.trusted;
    },
    workspaceFolders: undefined,
  }),
  window: part({
    visibleTextEditors: [],
    visibleNotebookEditors: [],
    tabGroups: part({
      get all() {
        return [{ tabs: fake.tabs }];
      },
      close: async (tabs) => {
        fake.tabs = fake.tabs.filter((tab) => !tabs.includes(tab));
      },
      onDidChangeTabs: (listener) => (fake.tabsChanged = listener),
    }),
    createStatusBarItem: () => (fake.item = { show() {}, dispose() {} }),
    showErrorMessage: show,
    showInformationMessage: show,
    showWarningMessage: show,
    showQuickPick: async (items) => (fake.offered = items)[0],
    createQuickPick: () => new QuickPick(),
    showTextDocument: async (document) => {
      document.shown?.();
      return (fake.editor = { document, revealRange() {} });
    },
    get activeTextEditor() {
      return fake.editor;
    },
    withProgress: (options, work) => {
      const onCancellationRequested = (listener) => (fake.cancels ? listener() : undefined);
      return work({ report() {} }, { isCancellationRequested: fake.cancels, onCancellationRequested });
    },
  }),
};

module.exports = new Proxy(vscode, {
  get(target, name) {
    if (typeof name === "string") target[name] ??= unused();
    return target[name];
  },
});
