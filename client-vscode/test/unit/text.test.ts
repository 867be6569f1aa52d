import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Announced, History, MOST, undoing } from "../../src/history";
import { report } from "../../src/report";
import { SERVER_SETTINGS, forServer } from "../../src/settings";
import { anchored, applied, headline } from "../../src/text";

describe("edits of a text", () => {
  test("are made from the end to the beginning", () => {
    const edits = [
      { start: 0, end: 1, text: "AAA" },
      { start: 2, end: 3, text: "" },
    ];
    assert.equal(applied("abcd", edits), "AAAbd");
  });

  test("count in UTF-16 units, as VS Code does", () => {
    assert.equal(applied("😀 create", [{ start: 3, end: 9, text: "write" }]), "😀 write");
  });
});

describe("a text is found again", () => {
  test("where it was, also when it stands elsewhere too", () => {
    assert.equal(anchored("a b a", "a", 4), 4);
  });

  test("at the only place that has it", () => {
    assert.equal(anchored("new line\nold words", "old words", 0), 9);
  });

  test("nowhere when it is gone, twice there, or empty", () => {
    assert.equal(anchored("something", "else", 0), -1);
    assert.equal(anchored("x a a", "a", 0), -1);
    assert.equal(anchored("x", "", 0), -1);
  });
});

test("a headline is one line and cuts no character in two", () => {
  assert.equal(headline(" create\n\ta function ", 20), "create a function");
  assert.equal(headline("😀😀😀😀", 3), "😀😀…");
});

const entry = (before: string) => ({ uri: "file:///a", start: 2, before, after: "AFTER", at: new Date(0) });

describe("the history", () => {
  test("has the newest first and forgets the oldest", () => {
    const history = new History();
    for (let count = 0; count <= MOST; count++) history.add(entry(String(count)));
    assert.equal(history.entries.length, MOST);
    assert.equal(history.entries[0]?.before, String(MOST));
    assert.equal(history.entries.at(-1)?.before, "1");
  });

  test("undoes a rewrite where it stands now", () => {
    assert.deepEqual(undoing(entry("before"), "more text\n  AFTER"), { start: 12, end: 17, text: "before" });
  });

  test("does not undo what has been changed", () => {
    assert.equal(undoing(entry("before"), "  AFTEr"), undefined);
  });
});

describe("a rewrite that was announced", () => {
  const document = {};
  const rewrite = { ...entry("before"), editor: "left" };
  const text = (content: string) => () => content;

  test("is noticed once it is in its place, and once only", () => {
    const announced = new Announced<typeof rewrite>();
    announced.add(document, rewrite);
    assert.equal(announced.changed({}, text("x AFTER")), undefined);
    assert.deepEqual(announced.changed(document, text("x AFTER, y")), rewrite);
    assert.equal(announced.changed(document, text("x AFTER, y")), undefined);
  });

  test("is forgotten at a change that is not it: it will be refused", () => {
    const announced = new Announced<typeof rewrite>();
    announced.add(document, rewrite);
    assert.equal(announced.changed(document, text("xy before")), undefined);
    assert.equal(announced.changed(document, text("x AFTER")), undefined);
  });

  test("that changes nothing is not waited for: the next key would be taken for it", () => {
    const announced = new Announced<typeof rewrite>();
    announced.add(document, rewrite);
    announced.add(document, { ...rewrite, before: "AFTER" });
    assert.equal(announced.changed(document, text("x AFTER")), undefined);
  });

  test("in one document is not that of another", () => {
    const announced = new Announced<typeof rewrite>();
    const other = {};
    announced.add(document, rewrite);
    announced.add(other, { ...rewrite, editor: "right" });
    assert.equal(announced.changed(document, text("x AFTER"))?.editor, "left");
    assert.equal(announced.changed(other, text("x AFTER"))?.editor, "right");
  });

  test("does not have the text of every document read at every key", () => {
    const announced = new Announced<typeof rewrite>();
    const change = () => announced.changed(document, () => assert.fail("read"));
    assert.equal(change(), undefined);
  });
});

describe("the settings that the server is told", () => {
  test("are its own and no others: it would report them", () => {
    const section = {
      adapter: "golden",
      threads: 2,
      preview: "always",
      history: { store: true },
      server: { path: "/x", package: "p" },
      trace: {},
    };
    assert.deepEqual(forServer(section), { adapter: "golden", threads: 2 });
  });

  test("are none when there is no section", () => {
    assert.deepEqual([forServer(null), forServer(undefined), forServer("x")], [{}, {}, {}]);
  });

  test("keep null, which means not set", () => {
    const section = Object.fromEntries(SERVER_SETTINGS.map((name) => [name, null]));
    assert.deepEqual(forServer(section), section);
  });
});

test("a report marks what is wrong and says what to do below it", () => {
  const fine = { name: "VS Code", value: "1.91.0", problem: "", hint: "" };
  const wrong = { name: "cache", value: "/c", problem: "It cannot be written.", hint: "Make it writable." };
  assert.equal(
    report({ ok: false, findings: [wrong] }, [fine]),
    "  VS Code  1.91.0\n! cache    /c\n           It cannot be written.\n           Make it writable.\n\n1 to look at, marked with !\n",
  );
  assert.match(report({ ok: true, findings: [] }, [fine]), /\nNothing is wrong\.\n$/);
});
