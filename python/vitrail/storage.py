"""Explanations in files: one ``.npz`` of our own, and the folders that ``vitrail explain`` writes."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitrail import _native
from vitrail.errors import InputError, UsageError
from vitrail.explanation import Explanation, Explanations

FORMAT = "vitrail-explanations"
VERSION = 1


def write(path: Path, explanations: Sequence[Explanation]) -> None:
    """Everything but arrays as JSON under the key ``json``; arrays by name and number. Appears whole, or not at all."""
    arrays: dict[str, Any] = {}
    photos: dict[int, str] = {}  # explanations of one photo keep it once

    def move(value: Any, name: str) -> Any:
        if isinstance(value, np.ndarray):
            arrays[name] = value
            return {"array": name}
        if isinstance(value, dict):
            return {"dict": {key: move(inner, f"{name}.{key}") for key, inner in value.items()}}
        return value

    entries = []
    for number, explanation in enumerate(explanations):
        state = explanation.state()
        photo = state.pop("photo")
        entry = {key: move(value, f"{number}.{key}") for key, value in state.items()}
        entry["photo"] = None
        if photo is not None:
            name = photos.setdefault(id(explanation._photo), f"photo{len(photos)}")
            entry["photo"] = move(photo, name)
        entries.append(entry)
    text = json.dumps({"format": FORMAT, "version": VERSION, "vitrail": _native.version(), "explanations": entries})
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} into.")
    handle, temporary = tempfile.mkstemp(dir=path.parent or Path(), prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, json=np.frombuffer(text.encode(), np.uint8), **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: Path) -> Explanations:
    def damaged(why: object) -> InputError:
        return InputError(f"{path} is not a whole file of explanations ({why}). Expected what Explanation.save writes.")

    if not zipfile.is_zipfile(path):
        raise damaged("it is no archive")
    try:
        with np.load(path, allow_pickle=False) as file:
            document = json.loads(bytes(file["json"]))
            if document.get("format") != FORMAT or document.get("version") != VERSION:
                raise damaged(f"format {document.get('format')!r}, version {document.get('version')!r}")

            def take(value: Any) -> Any:
                if isinstance(value, dict) and value.keys() == {"array"}:
                    return file[value["array"]]
                if isinstance(value, dict) and value.keys() == {"dict"}:
                    return {key: take(inner) for key, inner in value["dict"].items()}
                return value

            states = [{key: take(value) for key, value in entry.items()} for entry in document["explanations"]]
            return Explanations([Explanation.from_state(state) for state in states])
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(error) from error


def _read_result(path: Path) -> Explanations:
    saved = _native.read_result(str(path))
    photo = saved.photo()
    return Explanations([Explanation(saved.load(i), photo, saved.placed, saved.model_path) for i in range(saved.count)])


def open(path: str | os.PathLike[str]) -> Explanations:  # vitrail.open, as PIL.Image.open
    """Reads explanations back.

    Parameters
    ----------
    path
        A file of :meth:`Explanation.save`, or a ``result.json`` of ``vitrail explain``, or its folder.

    Raises
    ------
    InputError
        Where there is no such file, or it is damaged.
    """
    found = Path(path)
    if found.is_dir():
        found = found / "result.json"
    if not found.is_file():
        raise InputError(f"there is no file {found}.")
    return _read_result(found) if found.suffix == ".json" else _read(found)
