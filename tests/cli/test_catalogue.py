"""The catalogue of methods: the list for programs, the page made from the code, the page that says which to use."""

import os
import pathlib
import re
import subprocess

import jsonschema
import PIL.Image
import pytest
from conftest import ROOT, document, vitrail

BUILD = pathlib.Path(os.environ.get("VITRAIL_BUILD", ROOT / "build/release"))
TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object",
    "required": ["format", "version", "methods"],
    "properties": {
        "format": {"const": "vitrail-methods"},
        "version": {"const": 1},
        "methods": {
            "type": "array",
            "minItems": 20,
            "items": {
                "type": "object",
                "required": [
                    "name", "family", "aliases", "summary", "formula", "needs", "signed", "unit", "options", "cost",
                    "guarantees", "source",
                ],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                    "family": TEXT,
                    "aliases": {"type": "array", "items": TEXT},
                    "summary": {"type": "string", "pattern": "\\.$"},
                    "formula": {"type": "string", "pattern": "^[^\\n\\\\$]+$"},
                    "needs": {"enum": ["scores", "gradients", "layers", "operators"]},
                    "signed": {"type": "boolean"},
                    "unit": TEXT,
                    "cost": TEXT,
                    "guarantees": TEXT,
                    "source": TEXT,
                    "options": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", "type", "default", "description"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                                "type": TEXT,
                                "default": TEXT,
                                "description": TEXT,
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def methods():
    return document(vitrail("methods", "--json"))


def test_the_list_keeps_its_contract(methods):
    jsonschema.validate(methods, SCHEMA)
    names = [method["name"] for method in methods["methods"]]
    assert len(set(names)) == len(names)


def test_one_method_is_the_same_entry(methods):
    for method in methods["methods"]:
        assert document(vitrail("methods", method["name"], "--json"))["methods"] == [method]
        assert method["formula"] in vitrail("methods", method["name"]).stdout


def test_every_method_has_a_formula(methods):
    assert [method["name"] for method in methods["methods"] if not method["formula"]] == []


def test_the_page_is_up_to_date(methods):
    run = subprocess.run([BUILD / "tests/method_table"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    page = (ROOT / "docs/methods.md").read_text()
    assert page == run.stdout, "run `make catalogue`"
    for method in methods["methods"]:
        assert page.count(f"](#{method['name']})") == 1 and f"\n### {method['name']}\n" in page
        for option in method["options"]:
            assert f"`{option['name']}={option['default']}`".replace("|", "\\|") in page


def test_every_method_has_its_picture(methods):
    folder = ROOT / "docs/images/methods"
    pictures = {path.stem: path for path in folder.glob("*")}
    assert set(pictures) == {method["name"] for method in methods["methods"]}, "run `make pictures`"
    sizes = {PIL.Image.open(path).size for path in pictures.values()}
    assert len(sizes) == 1, "of the same photo"
    assert sum(path.stat().st_size for path in pictures.values()) < 1_000_000


def test_the_guide_names_methods_that_exist(methods):
    page = (ROOT / "docs/which_method.md").read_text()
    names = {method["name"] for method in methods["methods"]}
    linked = set(re.findall(r"\(methods\.md#([a-z0-9_]+)\)", page))
    assert linked and linked <= names
    for string in re.findall(r"`([a-z_]+:[a-z_]+=[^`]*)`", page):
        assert vitrail("methods", string).returncode == 0, string


METRICS = {
    "type": "object",
    "required": ["format", "version", "metrics"],
    "properties": {
        "format": {"const": "vitrail-metrics"},
        "version": {"const": 1},
        "metrics": {
            "type": "array",
            "minItems": 20,
            "items": {
                "type": "object",
                "required": [
                    "name", "family", "aliases", "summary", "formula", "direction", "needs", "range", "curve", "cost",
                    "source", "options",
                ],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                    "family": TEXT,
                    "summary": {"type": "string", "pattern": "\\.$"},
                    "formula": {"type": "string", "pattern": "^[^\\n\\\\$]+$"},
                    "direction": {"enum": ["higher", "lower"]},
                    "needs": TEXT,
                    "range": TEXT,
                    "curve": {"type": "string"},
                    "cost": TEXT,
                    "source": TEXT,
                },
            },
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def metrics():
    return document(vitrail("metrics", "--json"))


def test_the_list_of_metrics_keeps_its_contract(metrics):
    jsonschema.validate(metrics, METRICS)
    names = [metric["name"] for metric in metrics["metrics"]]
    assert len(set(names)) == len(names)
    for metric in metrics["metrics"]:
        assert document(vitrail("metrics", metric["name"], "--json"))["metrics"] == [metric]
        assert metric["formula"] in vitrail("metrics", metric["name"]).stdout


def test_the_page_of_metrics_is_up_to_date(metrics):
    run = subprocess.run([BUILD / "tests/metric_table"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    page = (ROOT / "docs/metrics.md").read_text()
    assert page == run.stdout, "run `make catalogue`"
    for metric in metrics["metrics"]:
        assert page.count(f"](#{metric['name']})") == 1 and f"\n### {metric['name']}\n" in page
