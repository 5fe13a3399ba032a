/** The extension: a client of `netgen lsp`, and netgen's verbs as commands of the palette. */

import { basename } from "node:path";
import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";
import { isSpec, netgen, pageOf, run, server, type Verb } from "./netgen";

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  for (const verb of ["build", "show", "page"] as const) {
    context.subscriptions.push(vscode.commands.registerCommand(`netgen.${verb}`, () => start(verb)));
  }
  context.subscriptions.push(
    vscode.commands.registerCommand("netgen.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("netgen.command")) {
        await restart();
      }
    }),
    vscode.window.onDidChangeActiveTextEditor(tell),
    vscode.workspace.onDidChangeTextDocument((change) => {
      if (change.document === vscode.window.activeTextEditor?.document) {
        tell(vscode.window.activeTextEditor);
      }
    }),
  );
  tell(vscode.window.activeTextEditor);
  await restart();
}

export async function deactivate(): Promise<void> {
  await client?.stop();
  client = undefined;
}

/** Where netgen is, for the settings and folders of this moment. */
function command(): string {
  const setting = vscode.workspace.getConfiguration("netgen").get<string>("command", "");
  const folders = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
  return netgen(setting, folders, process.platform === "win32");
}

/** Start the language server, or end it and start it anew. */
async function restart(): Promise<void> {
  await deactivate();
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "yaml" },
      { scheme: "untitled", language: "yaml" },
    ],
  };
  client = new LanguageClient("netgen", "netgen", server(command()), options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    await complain(`netgen's language server did not start: ${String(error)}`);
  }
}

/** Say what is wrong, with the way to mend it. */
async function complain(message: string): Promise<void> {
  const settings = "Open settings";
  const help = "Install it with `pip install 'torch-netgen[lsp]'`, or say where it is.";
  if ((await vscode.window.showErrorMessage(`${message}. ${help}`, settings)) === settings) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "netgen.command");
  }
}

/** Tell the menus whether the text in the editor is a spec. */
function tell(editor: vscode.TextEditor | undefined): void {
  const spec = editor?.document.languageId === "yaml" && isSpec(editor.document.getText());
  void vscode.commands.executeCommand("setContext", "netgen.isSpec", spec);
}

/** Save the spec in the editor, and run a verb of netgen for it in a terminal. */
async function start(verb: Verb): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined || document.languageId !== "yaml") {
    await vscode.window.showErrorMessage("netgen: open a spec first.");
    return;
  }
  if (!(await document.save()) || document.isUntitled) {
    await vscode.window.showErrorMessage("netgen: the spec is not saved yet.");
    return;
  }
  const spec = document.uri.fsPath;
  const made = run(command(), verb, spec);
  const task = new vscode.Task(
    { type: "netgen", verb },
    vscode.workspace.getWorkspaceFolder(document.uri) ?? vscode.TaskScope.Workspace,
    `${verb} ${vscode.workspace.asRelativePath(document.uri)}`,
    "netgen",
    new vscode.ProcessExecution(made.command, made.args, { cwd: made.cwd }),
  );
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
  const execution = await vscode.tasks.executeTask(task);
  const ended = vscode.tasks.onDidEndTaskProcess((event) => {
    if (event.execution === execution) {
      ended.dispose();
      if (verb === "page" && event.exitCode === 0) {
        void open(pageOf(spec), basename(spec));
      }
    }
  });
}

/** Open a page: in the browser, or in a tab here if its file is on another machine than the browser. */
async function open(page: string, title: string): Promise<void> {
  const file = vscode.Uri.file(page);
  if (vscode.env.remoteName === undefined) {
    await vscode.env.openExternal(file);
    return;
  }
  const text = await vscode.workspace.fs.readFile(file);
  const options = { enableScripts: true, retainContextWhenHidden: true };
  const panel = vscode.window.createWebviewPanel("netgen", title, vscode.ViewColumn.Active, options);
  panel.webview.html = new TextDecoder().decode(text);
}
