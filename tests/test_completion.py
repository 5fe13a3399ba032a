"""`netgen completion`: the shells themselves are asked what they would complete."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from torch_netgen.ir.levels import LEVELS
from torch_netgen.layers import TYPES

from .command import netgen
from .conftest import CONFIGS

pytestmark = pytest.mark.linux  # shells

BASH = """\
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$(($# - 2))
_shtab_netgen
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; complete -C "$argv[2]"'
# types each line and a TAB into a shell, and reads what it has become
ZSH = """\
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "autoload -Uz compinit; compinit -u -D; eval \\"\\$(<$1)\\""
zpty -w z "told() { print -r \\"<\\$BUFFER>\\" }; zle -N told; bindkey '^T' told"
for line in "${@:2}"; do
  zpty -w -n z $'\\x15'"$line"$'\\t\\x14'
  zpty -r z found '*<netgen*>*'
  print -r -- "${${found##*<}%%>*}"
done
zpty -d z
"""

LINES = (
    "params: {width: 4}\nvariants:\n  # small\n  n: {width: 1}\n  s:\n    width: 2\nlayers: []\n"
)
FLOW = "variants: {xs: {width: 1, sizes: [1, {a: 2}]}, xl: {}}  # two\nexpect: {m: {}}\n"
OPTION = r"^  (?:-\w[^-]*, )?(--[a-z-]+)"  # where the help describes it
Ask = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with specs and other files."""
    for name in ("lenet.yaml", "mine.yml", "notes.txt", "my.py"):
        (tmp_path / name).touch()
    (tmp_path / "models").mkdir()
    (tmp_path / "lenet.yaml").write_text(LINES)
    (tmp_path / "mine.yml").write_text(FLOW)
    return tmp_path


def asking(folder: Path, shell: str, *command: str) -> Ask:
    """What asks a shell that has read its script; a missing one is a reason to skip."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not there: install it, as apt.txt says")
    script = netgen("completion", shell, cwd=folder)
    assert script.returncode == 0, script.stderr
    (folder / "script").write_text(script.stdout)

    def ask(*words: str) -> list[str]:
        asked = [shell, *command, "./script", *words]
        run = subprocess.run(
            asked, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.stderr == ""
        return [line.partition("\t")[0] for line in run.stdout.splitlines() if line]

    return ask


def test_bash_completes_all_that_can_stand_there(folder: Path) -> None:
    ask = asking(folder, "bash", "--norc", "-c", BASH, "bash")
    verbs = re.findall(r"^    ([a-z]+)\b", netgen("--help", cwd=folder).stdout, re.MULTILINE)
    assert {"init", "build", "watch"} < {*verbs}
    assert ask("netgen", "") == verbs
    for verb in verbs:
        help = netgen(verb, "--help", cwd=folder).stdout
        assert {*ask("netgen", verb, "--")} == {*re.findall(OPTION, help, re.MULTILINE)}
    assert {*ask("netgen", "build", "")} == {"lenet.yaml", "mine.yml", "models"}
    assert ask("netgen", "watch", "lenet.yaml", "--device", "cpu", "min") == ["mine.yml"]
    assert ask("netgen", "diff", "lenet.yaml", "min") == ["mine.yml"]
    assert ask("netgen", "build", "--output-dir", "") == ["models"]
    assert ask("netgen", "build", "-o", "my") == ["my.py"]
    assert ask("netgen", "build", "--device", "c") == ["cpu", "cuda"]
    assert ask("netgen", "build", "--prove", "") == [*LEVELS]
    assert ask("netgen", "build", "--prove", "learn,ex") == ["learn,export"]
    assert ask("netgen", "build", "--prove", "a,b,d") == ["a,b,dtype", "a,b,ddp"]
    assert ask("netgen", "show", "--format", "") == ["table", "markdown", "json", "csv"]
    assert ask("netgen", "layers", "") == [*TYPES]
    assert ask("netgen", "layers", "Conv2") == ["Conv2d"]
    assert ask("netgen", "init", "") == ["starter", *(path.stem for path in CONFIGS)]
    assert ask("netgen", "completion", "") == ["bash", "zsh", "fish"]
    assert ask("netgen", "build", "lenet.yaml", "--variant", "") == ["n", "s"]
    assert ask("netgen", "show", "mine.yml", "--variant", "x") == ["xs", "xl"]
    both = ("netgen", "diff", "lenet.yaml", "mine.yml", "--variant", "n", "--variant")
    assert ask(*both, "") == ["n", "s", "xs", "xl"]
    assert ask("netgen", "build", "none.yaml", "my.py", "--variant", "") == []


WHOLE = {  # lines that can go on in one way only, and their last word
    "netgen compl": "completion",
    "netgen build --max": "--max-memory",
    "netgen build lenet.yaml mi": "mine.yml",
    "netgen build lenet.yaml --format j": "json",
    "netgen diff lenet.yaml mi": "mine.yml",
    "netgen show mine.yml --variant xs": "xs",
    "netgen layers LeakyR": "LeakyReLU",
    "netgen init resnet1": "resnet18",
    "netgen watch --prove lea": "learn",
    "netgen watch --prove learn,onnx,fs": "learn,onnx,fsdp",
}


def test_fish_completes(folder: Path) -> None:
    ask = asking(folder, "fish", "--no-config", "-c", FISH)
    assert {line: ask(line) for line in WHOLE} == {line: [word] for line, word in WHOLE.items()}
    assert {*ask("netgen build ")} == {"lenet.yaml", "mine.yml", "models/"}


def test_zsh_completes(folder: Path) -> None:
    ask = asking(folder, "zsh", "-f", "-c", ZSH, "zsh")
    whole = [f"{line.rpartition(' ')[0]} {word} " for line, word in WHOLE.items()]
    assert ask(*WHOLE) == whole
