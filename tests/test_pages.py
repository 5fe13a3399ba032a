"""The pages and the parts of pages that are made from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch_netgen
from torch_netgen.ir.levels import Proof
from torch_netgen.ir.table import Row

from .catalogue_page import catalogue_page
from .conftest import ROOT
from .page_parts import functions, renewed, verbs

DOCS = ROOT / "docs"


def held(page: Path, made: str, request: pytest.FixtureRequest) -> None:
    """Hold a page against what the code gives, or write it anew."""
    if request.config.getoption("--renew"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made


def test_the_catalogue_is_made_from_its_rows(request: pytest.FixtureRequest) -> None:
    held(DOCS / "catalogue.md", catalogue_page(), request)


def test_each_verb_is_told_with_its_arguments(request: pytest.FixtureRequest) -> None:
    page = DOCS / "cli.md"
    held(page, renewed(page.read_text(encoding="utf-8"), verbs()), request)


def test_each_argument_of_a_function_is_told(request: pytest.FixtureRequest) -> None:
    page = DOCS / "python.md"
    held(page, renewed(page.read_text(encoding="utf-8"), functions()), request)


def test_all_that_is_public_is_told() -> None:
    told = {*re.findall(r"(\w+)[`(]", (DOCS / "python.md").read_text(encoding="utf-8"))}
    properties = {
        name for name, value in vars(torch_netgen.Result).items() if isinstance(value, property)
    }
    attributes = {
        name
        for public in (
            torch_netgen.Result,
            torch_netgen.Diagnostic,
            torch_netgen.Location,
            Proof,
            Row,
        )
        for name in public.__struct_fields__
    }
    assert {*torch_netgen.__all__, *properties, *attributes} - told == set()


def test_the_readme_names_each_verb_and_option_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = "\n".join(re.findall(r"^\| `.*$", readme.partition("## Commands")[2], re.MULTILINE))
    named = {*re.findall(r"(?<![\w-])--?[a-z][a-z-]*", table)}
    rows = re.findall(r"^\| (`-.*?`) \|", "\n".join(verbs().values()), re.MULTILINE)
    options = [re.findall(r"`(-[a-z-]+)", row) for row in rows]
    assert [names for names in options if not named & {*names}] == []
    assert named - {name for names in options for name in names} == {"--version", "--help"}
    assert [verb for verb in verbs() if f"| `{verb}" not in table] == []
