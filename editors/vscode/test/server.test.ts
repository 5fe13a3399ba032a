/** The language server, started as the extension starts it, by the protocol library of its client. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import {
  CompletionRequest,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExitNotification,
  HoverRequest,
  InitializedNotification,
  InitializeRequest,
  type PublishDiagnosticsParams,
  PublishDiagnosticsNotification,
  ShutdownRequest,
  createProtocolConnection,
} from "vscode-languageserver-protocol/node";
import { server } from "../src/netgen";

const uri = "file:///net.yaml";
const wrong = "name: Net\ninput: [3, 8, 8]\nlayers:\n  - Conv2d: {out_channels: 4, kernel_siz: 3}\n";
const right = wrong.replace("kernel_siz:", "kernel_size:");

test("a mistake is marked, mended, and what stands there is told", { timeout: 60_000 }, async () => {
  const { command, args } = server(process.env["NETGEN"] ?? "netgen");
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const connection = createProtocolConnection(child.stdout, child.stdin);
  let heard: (found: PublishDiagnosticsParams) => void = () => undefined;
  const next = () => new Promise<PublishDiagnosticsParams>((resolve) => (heard = resolve));
  connection.onNotification(PublishDiagnosticsNotification.type, (found) => heard(found));
  connection.listen();
  await connection.sendRequest(InitializeRequest.type, { processId: process.pid, rootUri: null, capabilities: {} });
  await connection.sendNotification(InitializedNotification.type, {});

  let published = next();
  await connection.sendNotification(DidOpenTextDocumentNotification.type, {
    textDocument: { uri, languageId: "yaml", version: 1, text: wrong },
  });
  const [mistake] = (await published).diagnostics;
  assert.equal(mistake?.range.start.line, 3);
  assert.match(mistake?.message ?? "", /kernel_size/);

  published = next();
  await connection.sendNotification(DidChangeTextDocumentNotification.type, {
    textDocument: { uri, version: 2 },
    contentChanges: [{ text: right }],
  });
  assert.deepEqual((await published).diagnostics, []);

  const place = { textDocument: { uri }, position: { line: 3, character: 6 } };
  const hover = await connection.sendRequest(HoverRequest.type, place);
  assert.match(JSON.stringify(hover?.contents), /N, 3, 8, 8/);
  const inside = { textDocument: { uri }, position: { line: 3, character: right.split("\n")[3]?.indexOf("}") ?? 0 } };
  assert.ok(await connection.sendRequest(CompletionRequest.type, inside));

  await connection.sendRequest(ShutdownRequest.type);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await connection.sendNotification(ExitNotification.type);
  assert.equal(await ended, 0);
});
