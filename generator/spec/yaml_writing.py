"""Writing a mapping as YAML that is read as the same values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import yaml

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from .yaml_values import FLOAT, INT, MOST_VALUES, WORDS


def as_yaml(spec: Mapping[str, Any]) -> str:
    """The YAML text of a spec that is given as a mapping.

    Raises `NetgenError` if it holds what a spec can't hold, or too much.
    """
    try:
        plain = _Plain().value(spec)
        text: str = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        reason = printable(str(error))[:200]
        message = f"the mapping can't be written as YAML: {reason or type(error).__name__}"
        raise NetgenError(Diagnostic("NG103", message)) from None
    return text


def in_flow(value: Any) -> str:
    """A value as YAML on one line: ``{out_channels: 64, kernel_size: 3}``."""
    text: str = yaml.dump(
        value,
        Dumper=_Flow,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.removesuffix("\n").removesuffix("\n...")


class _Plain:
    """Copies values to plain mappings, lists and scalars; refuses more than a spec may hold."""

    def __init__(self) -> None:
        self.count = 0

    def value(self, value: Any) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES} values")
        if isinstance(value, Mapping):
            return {self.key(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        for kind in (int, float, str):
            if isinstance(value, kind):
                return kind(value)
        raise TypeError(f"a {type(value).__name__} has no place in a spec")

    def key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a key is a word, not a {type(key).__name__}")
        return str(key)


class _Dumper(yaml.SafeDumper):
    """Writes a string in quotes where YAML 1.2 would read something else without them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Flow(_Dumper):
    """Writes fractions in their shortest form: ``1e-6``."""


def _fraction(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    if math.isinf(number) or math.isnan(number):
        return dumper.represent_float(number)
    text = repr(number).replace("e-0", "e-").replace("e+", "e")
    # what YAML 1.1 takes for a word has no dot: under this tag it needs no quotes, and no tag
    tag = "float" if "." in text or not text.strip("-0123456789") else "str"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", text)


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    looks = text in WORDS or INT.fullmatch(text) or FLOAT.fullmatch(text) or text == "<<"
    style = '"' if looks or "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)
_Flow.add_representer(str, _string)
_Flow.add_representer(float, _fraction)
