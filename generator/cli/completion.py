"""`netgen completion`: a shell's completion script, made from the argument parser.

The script has all completions in it, so that a TAB starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import shtab

from ..ir.levels import LEVELS
from ..layers import TYPES
from ..views.templates import templates

_SPECS = shtab.glob("*.yaml", "*.yml")
# the names of variants in the specs that stand in the line: from a list in lines or in one line
_AWK = """\
FNR == 1 { within = 0 }
/^variants:[ ]*[{]/ {
  sub(/^variants:[ ]*[{]/, ""); sub(/[}][ ]*(#.*)?$/, "")
  while (gsub(/[{][^{}]*[}]|[[][^][]*[]]/, "")) { }
  number = split($0, names, ",")
  for (place = 1; place <= number; place++) name(names[place])
  next
}
/^variants:/ { within = 1; indent = 0; next }
/^[^ #]/ { within = 0 }
within && /^ +[^ #]/ {
  match($0, /^ +/)
  if (!indent) indent = RLENGTH
  if (RLENGTH == indent) name($0)
}
function name(text) {
  sub(/^ +/, "", text); sub(/ *:.*/, "", text)
  if (text ~ /^[A-Za-z0-9_]+$/) print text
}"""
_FUNCTIONS = {
    "bash": """\
_netgen_variants() {
  local word files=()
  for word in "${COMP_WORDS[@]}"; do
    [[ $word == *.y?(a)ml && -f $word ]] && files+=("$word")
  done
  ((${#files[@]})) && compgen -W "$(awk 'NAMES' "${files[@]}")" -- "$1"
}
_netgen_proofs() {
  compgen -P "${1%"${1##*,}"}" -W "PROOFS" -- "${1##*,}"
}
""",
    "zsh": """\
_netgen_variants() {
  local word files=()
  for word in $words; do
    [[ $word == *.(yaml|yml) && -f $word ]] && files+=($word)
  done
  (($#files)) && compadd -- $(awk 'NAMES' $files)
}
_netgen_proofs() {
  compset -P '*,'
  compadd -- PROOFS
}
""",
    "fish": """\
function _netgen_variants
  set -l files (string match -r '.*[.]ya?ml$' -- (commandline -opc))
  test -n "$files" && awk 'NAMES' $files 2>/dev/null
end
function _netgen_proofs
  set -l before (string replace -r '[^,]*$' '' -- (commandline -ct))
  for proof in PROOFS
    echo $before$proof
  end
end
""",
}
_VARIANTS: shtab.CompleteType = {
    "bash": "_netgen_variants",
    "zsh": "_netgen_variants",
    "fish": "(_netgen_variants)",
}
_PROOFS: shtab.CompleteType = {
    "bash": "_netgen_proofs",
    "zsh": "_netgen_proofs",
    "fish": "(_netgen_proofs)",
}
# what completes arguments from outside of netgen, by the arguments' names in the parser
_FILES: Mapping[str, shtab.CompleteType] = {
    "config": _SPECS,
    "configs": _SPECS,
    "output": shtab.FILE,
    "output_dir": shtab.DIRECTORY,
    "prove": _PROOFS,
    "report": shtab.FILE,
    "variant": _VARIANTS,
    "variants": _VARIANTS,
    "weights": shtab.glob("*.pt", "*.pth", "*.safetensors"),
}
_WORDS: Mapping[str, Sequence[str]] = {
    "device": ("auto", "cpu", "cuda", "mps", "all", "meta"),
    "name": tuple(TYPES),
    "template": tuple(templates()),
}


def script(top: argparse.ArgumentParser, shell: str) -> str:
    """The completion script for a shell; it changes the parser, which has no other use then."""
    for action in _actions(top):
        if action.dest in _FILES:
            action.complete = _FILES[action.dest]  # type: ignore[attr-defined]
        elif action.dest in _WORDS:
            action.choices = _WORDS[action.dest]
        if action.nargs == 2:
            action.nargs = "+"  # shtab does not know counts
    functions = _FUNCTIONS[shell].replace("NAMES", _AWK).replace("PROOFS", " ".join(LEVELS))
    found = shtab.complete(top, shell, preamble=functions)
    # shtab makes zsh complete only the first of several specs; `*` makes it complete each
    return found.replace('"(*):', '"*:') if shell == "zsh" else found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action
