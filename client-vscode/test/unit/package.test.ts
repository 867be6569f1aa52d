import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

const LARGEST = 500_000;
// of a zip file's directory: its place in the last record of the file, and in an entry the length of the name, and the name
const DIRECTORY_FROM_END = 6;
const [LENGTH, NAME] = [28, 46];

/** The names in a zip file, which is to have no comment. */
function names(zip: Buffer): string[] {
  const found: string[] = [];
  const entry = "PK\x01\x02";
  const directory = zip.readUInt32LE(zip.length - DIRECTORY_FROM_END);
  for (let at = zip.indexOf(entry, directory, "latin1"); at >= 0; at = zip.indexOf(entry, at + NAME, "latin1")) {
    found.push(zip.toString("utf8", at + NAME, at + NAME + zip.readUInt16LE(at + LENGTH)));
  }
  return found;
}

test("the package is small, and holds the bundle, its licence and its pictures, no sources and no tests", () => {
  const zip = fs.readFileSync(path.join("dist", "promptopt.vsix"));
  assert.ok(zip.length < LARGEST, `${String(zip.length)} bytes`);
  const media = fs.readdirSync("media").map((name) => `extension/media/${name}`);
  const [bundle, texts] = [
    ["extension/dist/extension.js", "extension/package.json"],
    ["extension/LICENSE.txt", "extension/readme.md"],
  ];
  assert.deepEqual(names(zip).sort(), ["[Content_Types].xml", "extension.vsixmanifest", ...bundle, ...texts, ...media].sort());
});
