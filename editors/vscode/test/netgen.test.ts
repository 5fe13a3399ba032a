/** Where netgen is found, and what the commands run. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSpec, netgen, pageOf, run } from "../src/netgen";

test("a workspace's virtual environment comes before PATH, the setting before both", () => {
  const folder = mkdtempSync(join(tmpdir(), "netgen-"));
  assert.equal(netgen("", [folder], false), "netgen");
  mkdirSync(join(folder, ".venv", "bin"), { recursive: true });
  writeFileSync(join(folder, ".venv", "bin", "netgen"), "");
  assert.equal(netgen("", ["/nowhere", folder], false), join(folder, ".venv", "bin", "netgen"));
  assert.equal(netgen(" /opt/netgen ", [folder], false), "/opt/netgen");
  assert.equal(netgen("", [folder], true), "netgen");
});

test("a verb runs beside the spec, whose name is no option", () => {
  assert.deepEqual(run("netgen", "build", "/a/b/net.yaml"), { command: "netgen", args: ["build", "net.yaml"], cwd: "/a/b" });
  assert.deepEqual(run("netgen", "show", "/a/--force.yaml").args, ["show", "./--force.yaml"]);
  assert.deepEqual(run("netgen", "page", "/a/net.yaml").args, ["graph", "net.yaml", "-o", pageOf("/a/net.yaml"), "--force"]);
});

test("each spec has a page of its own", () => {
  assert.notEqual(pageOf("/a/net.yaml"), pageOf("/b/net.yaml"));
  assert.notEqual(pageOf("/a/net.yaml"), pageOf("/a/other.yaml"));
});

test("a text is a spec if it has a name and layers", () => {
  assert.ok(isSpec("name: Net\ninput: [4]\nlayers: [ReLU]\n"));
  assert.ok(!isSpec("services:\n  name: web\n"));
});
