/** How netgen is found and started. Nothing here needs an editor. */

import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join } from "node:path";

/** A process: its executable, its arguments, and the folder in which it runs. */
export interface Run {
  command: string;
  args: string[];
  cwd: string;
}

export type Verb = "build" | "show" | "page";

/**
 * The path of netgen: what the setting says, else that of a folder's `.venv`, else the name alone,
 * for the system to find it on `PATH`.
 */
export function netgen(setting: string, folders: readonly string[], windows: boolean): string {
  if (setting.trim()) {
    return setting.trim();
  }
  const inside = windows ? ["Scripts", "netgen.exe"] : ["bin", "netgen"];
  const found = folders.map((folder) => join(folder, ".venv", ...inside)).find((path) => existsSync(path));
  return found ?? "netgen";
}

/** The language server, which speaks over its standard input and output. */
export function server(command: string): { command: string; args: string[] } {
  return { command, args: ["lsp"] };
}

/** The file for a spec's page: in the system's folder for such files, one for each spec. */
export function pageOf(spec: string): string {
  const name = basename(spec, extname(spec));
  const place = Buffer.from(dirname(spec)).toString("base64url").slice(-40);
  return join(tmpdir(), `netgen-${place}-${name}.html`);
}

/** What a command of the palette runs for a spec; the arguments go to no shell. */
export function run(command: string, verb: Verb, spec: string): Run {
  const cwd = dirname(spec);
  const name = basename(spec);
  const file = name.startsWith("-") ? `./${name}` : name; // no option
  switch (verb) {
    case "build":
      return { command, args: ["build", file], cwd };
    case "show":
      return { command, args: ["show", file], cwd };
    case "page":
      return { command, args: ["graph", file, "-o", pageOf(spec), "--force"], cwd };
  }
}

/** Whether a text looks like a spec: what the language server checks, and nothing else. */
export function isSpec(text: string): boolean {
  return /^name:/m.test(text) && /^layers:/m.test(text);
}
