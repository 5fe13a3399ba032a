// What the page of `netgen studio` takes of CodeMirror.
export { EditorState, StateEffect, StateField, Transaction } from "@codemirror/state";
export {
  Decoration, EditorView, drawSelection, dropCursor, highlightActiveLine, highlightActiveLineGutter,
  highlightSpecialChars, hoverTooltip, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap, indentWithTab, insertNewlineAndIndent } from "@codemirror/commands";
export { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
export {
  acceptCompletion, autocompletion, clearSnippet, closeBrackets, closeBracketsKeymap, completionKeymap,
  nextSnippetField, prevSnippetField, snippet, snippetKeymap,
} from "@codemirror/autocomplete";
export { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
export {
  HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentService, indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
export { yaml } from "@codemirror/lang-yaml";
export { python } from "@codemirror/lang-python";
export { tags } from "@lezer/highlight";
