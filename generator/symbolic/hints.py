"""What was probably meant: by a misspelt word, or by the word of another library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .functions import FUNCTIONS
from .other_names import ARGUMENTS, ARGUMENTS_INSTEAD, COMMON, INSTEAD, KEYS, TYPES

_DIVISION = r"(?<!/)/(?!/)"


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """The one of these words that was probably meant, or ``None``."""
    folded = {known.lower(): known for known in reversed(list(words))}
    plain = word.lower()
    if plain in folded:
        return folded[plain]
    import difflib  # only mistakes need it

    known = list(folded)[:1000]
    cutoff = 0.65 if len(word) < 4 else 0.7
    found = difflib.get_close_matches(plain, known, n=1, cutoff=cutoff)
    if not found and len(word) > 3:
        longer = [name for name in known if name.startswith(plain)]
        found = sorted(longer, key=len)
    return folded[found[0]] if found else None


def meant_key(word: str, keys: Iterable[str]) -> str | None:
    """The key of a document that was probably meant."""
    keys = list(keys)
    other = KEYS.get(word.lower())
    return other if other in keys else closest_word(word, keys)


def closest(word: str, words: Iterable[str]) -> str | None:
    """The help for a misspelt word: the one that was probably meant."""
    found = closest_word(word, words)
    return f"did you mean `{found}`?" if found else None


def meant_type(word: str, types: Iterable[str], spatial: int | None) -> str | None:
    """The layer type that was probably meant, for inputs of so many spatial dimensions."""
    types = list(types)
    return same_type(word, types, spatial) or closest_word(bare_type(word), types)


def same_type(word: str, types: Iterable[str], spatial: int | None) -> str | None:
    """The type that a word means in another spelling, or in another library."""
    folded = {known.lower(): known for known in types}
    plain = _folded(word)
    if plain in folded:
        return folded[plain]
    name = _looked_up(TYPES, plain, spatial)
    return name if name in folded.values() else None


def instead_of_type(word: str, spatial: int | None) -> str | None:
    """The help for a word that means no single type: what to write in its place."""
    return _looked_up(INSTEAD, _folded(word), spatial)


def help_for_type(word: str, types: Iterable[str]) -> str | None:
    """The help for a word that is no type, where nothing is known but the word."""
    meant = meant_type(word, types, None)
    return instead_of_type(word, None) or (f"did you mean {meant}?" if meant else None)


def _folded(word: str) -> str:
    return bare_type(word).lower().replace("_", "").replace("-", "")


def _looked_up(table: Mapping[str, str], plain: str, spatial: int | None) -> str | None:
    """What a table has for a word as it is, or without its number of dimensions or `layer`."""
    dims = re.search("([123])d", plain)
    bare = plain.replace(dims[0], "", 1) if dims else plain
    words = (plain, bare, bare.removesuffix("layer"))
    found = next((table[word] for word in words if word in table), None)
    if found is None:
        return None
    if dims is not None:
        number = dims[1]
    elif spatial in (1, 2, 3):
        number = str(spatial)
    else:  # a batch norm of features is one of one dimension
        number = "1" if spatial is not None and "BatchNorm" in found else "2"
    return found.replace("*", number)


def meant_argument(word: str, arguments: Iterable[str], common: Iterable[str]) -> str | None:
    """The argument, or the common key (`from`, `name`, ...), that was probably meant."""
    arguments, common = list(arguments), list(common)
    plain = word.lower().replace("-", "_")
    if plain in arguments:
        return plain
    other = [name for name in ARGUMENTS.get(plain, ()) if name in arguments]
    if other:
        return other[0]
    if plain in ARGUMENTS_INSTEAD:
        return None
    found = None if plain == "dim" else closest_word(word, [*arguments, *common])
    return found or (COMMON.get(plain) if COMMON.get(plain) in common else None)


def instead_of_argument(word: str) -> str | None:
    """The help for a word that is an argument of no type: where what it says is written."""
    return ARGUMENTS_INSTEAD.get(word.lower().replace("-", "_"))


def bare_type(word: str) -> str:
    """A type's own name, without the modules before it and the brackets of a call behind it."""
    return word.removesuffix("()").rpartition(".")[2]


def values_in(value: object) -> Iterator[object]:
    """The value itself, or the items of a list and of all lists inside it."""
    if isinstance(value, list):
        for item in value:
            yield from values_in(item)
    else:
        yield value


def as_expression(value: object, names: Iterable[str]) -> str | None:
    """The help for parameters that are written as words: `n`, `2 * width`."""
    known, found = {*names}, None
    for text in values_in(value):
        words = {*re.findall(r"[A-Za-z_]\w*", text)} if isinstance(text, str) else set()
        if words & known and words <= known | {*FUNCTIONS} and "$" not in str(text):
            found = f"${text}" if str(text).isidentifier() else f"$({text})"
    return f"write `{found}`: without `$` it is a word" if found else None


def is_sum(text: str) -> bool:
    """Whether a text is arithmetic with plain numbers: `32*32`."""
    return re.fullmatch(r"[\d\s()]*\d\s*[-+*/%][-+*/%\d\s()]*\d[\s)]*", text) is not None


def whole(written: object) -> str:
    """The help for a fraction where a whole number should be."""
    for text in values_in(written):
        if isinstance(text, str) and re.search(_DIVISION, text) and "." not in text:
            return f"`/` gives a fraction: write `{re.sub(_DIVISION, '//', text)}`"
        if isinstance(text, float) and text.is_integer():
            return f"write `{int(text)}`"
    return "`//` divides without a fraction, `int(...)` cuts one off"


def run_together(text: str, known: Iterable[str]) -> str | None:
    """The help for a word with its value run into it: `Conv2d:[6, 5]`, `Conv2d(6, 5)`."""
    found = re.match(r"([A-Za-z]\w*)\s*([:(\[= ])\s*(.+)", text, re.DOTALL)
    if found is None or found[1] not in {*known}:
        return None
    value = found[3]
    if found[2] == "(":
        value = f"[{value.rstrip(')')}]" if value.strip(")") else "{}"
    elif found[2] == "[":
        value = f"[{value}"
    return f"write `{found[1]}: {value}`, with a colon and a space"


def bracketed(value: object) -> str | None:
    """The help for a list that is written as a Python tuple."""
    if not isinstance(value, str) or not re.fullmatch(r"\(?[\d.\s]+(,[\d.\s]*)+\)?", value):
        return None
    return f"a list has square brackets: `[{value.strip('() ')}]`"


def structural_help(model: str, key: str, value: object) -> str | None:
    """The help for a value of the wrong kind under a key of a model, for the usual slips."""
    if key in ("input", "shape"):
        if isinstance(value, str):
            return f"a list has square brackets: `[{value.strip('() ')}]`"
        if isinstance(value, int):
            return f"a shape is a list: `[{value}]`"
        if isinstance(value, dict):
            return "an input with more than a shape stands under `inputs`, with a name"
        return "the batch is implied: leave it out" if value is None else None
    if key == "inputs" and isinstance(value, list):
        return "the shape of the only input stands under `input`"
    if key in ("outputs", "include") and isinstance(value, str):
        return f"write a list: `[{value}]`"
    if key == "layers" and isinstance(value, (dict, str)):
        return "write each layer as an item of a list, with `- ` before it"
    if key == "init":
        return "write the weight, too: `Conv2d: {weight: kaiming_normal_}`"
    if model == "BlockSpec" and not key:
        return "a block's layers stand under `layers`"
    return None
