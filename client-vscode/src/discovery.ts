/** Where the language server is. Pure: what the machine has is asked through `Machine`, which tests replace. */

import * as path from "node:path";

import { sentence } from "./text";

export type Origin = "setting" | "PATH" | "workspace" | "selected Python" | "own environment";

/** A file that may be the language server. */
export interface Candidate {
  readonly origin: Origin;
  readonly file: string;
}

/**
 * Where to look. `folders` and `python` are empty in a workspace that is not trusted: nothing in it may be run. `own` is empty while that
 * environment is being changed.
 */
export interface Places {
  readonly setting: string;
  readonly path: readonly string[];
  readonly folders: readonly string[];
  readonly python: string;
  readonly own: string;
}

export interface Machine {
  readonly windows: boolean;
  exists(file: string): boolean;
  /** What `file --version` prints; rejects when it does not run. */
  version(file: string): Promise<string>;
}

/** The Python extension, as far as it is used here. */
export interface PythonExtension {
  readonly isActive: boolean;
  readonly exports: unknown;
  activate(): PromiseLike<unknown>;
}

/** The part of its interface that is used here. */
interface PythonApi {
  readonly environments?: { getActiveEnvironmentPath(resource?: unknown): { readonly path: string } | undefined };
}

export type Found =
  | { readonly kind: "found"; readonly candidate: Candidate; readonly version: string }
  | { readonly kind: "broken"; readonly candidate: Candidate; readonly reason: string }
  | { readonly kind: "missing" };

const VERSION = /^promptopt-lsp (\d+\.\d+\S*)\s*$/;

/** The name of the server's file. */
export function serverName(windows: boolean): string {
  return windows ? "promptopt-lsp.exe" : "promptopt-lsp";
}

/** The folder of a virtual environment that holds its programs. */
export function programs(environment: string, windows: boolean): string {
  return path.join(environment, windows ? "Scripts" : "bin");
}

/** All files that may be the server, the one to prefer first. A setting leaves no other choice. */
export function candidates(places: Places, windows: boolean): Candidate[] {
  if (places.setting !== "") return [{ origin: "setting", file: places.setting }];
  const name = serverName(windows);
  const environments = places.folders.flatMap((folder) => [path.join(folder, ".venv"), path.join(folder, "venv")]);
  const found: Candidate[] = [
    // a relative entry of PATH would mean whatever folder is open
    ...places.path.filter((folder) => path.isAbsolute(folder)).map((folder) => candidate("PATH", folder, name)),
    ...environments.map((environment) => candidate("workspace", programs(environment, windows), name)),
  ];
  if (places.python !== "") found.push(candidate("selected Python", path.dirname(places.python), name));
  if (places.own !== "") found.push(candidate("own environment", programs(places.own, windows), name));
  return found;
}

/**
 * The first candidate that is there and runs. One that is there and does not run is skipped, and reported when no other
 * does; the one that a setting names is reported even when it is not there.
 */
export async function findServer(places: Places, machine: Machine): Promise<Found> {
  let broken: Found = { kind: "missing" };
  for (const each of candidates(places, machine.windows)) {
    if (each.origin === "setting" && !path.isAbsolute(each.file)) {
      return { kind: "broken", candidate: each, reason: "it is no absolute path" };
    }
    if (!machine.exists(each.file)) {
      if (each.origin === "setting") return { kind: "broken", candidate: each, reason: "there is no such file" };
      continue;
    }
    const tried = await tryOut(each, machine);
    if (tried.kind === "found") return tried;
    if (broken.kind === "missing") broken = tried;
  }
  return broken;
}

/** The interpreter that is selected in the Python extension; empty without one, and where that extension fails. */
export async function interpreter(extension: PythonExtension | undefined, resource?: unknown): Promise<string> {
  try {
    const api = (extension?.isActive === false ? await extension.activate() : extension?.exports) as PythonApi | null | undefined;
    const selected = api?.environments?.getActiveEnvironmentPath(resource)?.path ?? "";
    return path.isAbsolute(selected) ? selected : "";
  } catch {
    return "";
  }
}

async function tryOut(candidate: Candidate, machine: Machine): Promise<Found> {
  let printed: string;
  try {
    printed = await machine.version(candidate.file);
  } catch (error) {
    return { kind: "broken", candidate, reason: sentence(error) };
  }
  const version = VERSION.exec(printed)?.[1];
  if (version === undefined) return { kind: "broken", candidate, reason: "it is not a promptopt-lsp" };
  return { kind: "found", candidate, version };
}

function candidate(origin: Origin, folder: string, name: string): Candidate {
  return { origin, file: path.join(folder, name) };
}
