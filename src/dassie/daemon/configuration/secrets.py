"""Secret files: lines, JSON, or a folder with one file for each key. Pure but for the reader.

What they hold may have plain names (`access_key`), Amazon's (`AWS_ACCESS_KEY_ID`) or Pachyderm's
(`amazon-id`); `pachyderm` knows the last.
"""

from __future__ import annotations

import json
from typing import Any, Final

from dassie.daemon.configuration import pachyderm
from dassie.daemon.configuration.sources import Files, Layer, Said
from dassie.errors import InvalidArgument

_NAMES: Final = {
    "access_key": "access_key",
    "access_key_id": "access_key",
    "aws_access_key_id": "access_key",
    "secret_key": "secret_key",
    "secret_access_key": "secret_key",
    "aws_secret_access_key": "secret_key",
    "session_token": "session_token",
    "aws_session_token": "session_token",
    "azure_storage_account": "access_key",
    "azure_storage_key": "secret_key",
}


def read(path: str, files: Files, label: str) -> tuple[Layer, pachyderm.Names]:
    """Plain credentials, and what stands there under Pachyderm's names. `label` says who named it.

    Raises InvalidArgument when there is nothing at `path`, or a file holds something else.
    """
    names = files.entries(path)
    if names is not None:
        return _sorted_out(_folder(path, names, files), strict="")
    text = files.text(path)
    if text is None:
        raise InvalidArgument(f"the secret file {path} does not exist (from the {label})")
    if not text.lstrip().startswith("{"):
        return _sorted_out(_lines(path, text), strict=path)
    value = _json(path, text)
    if value.get("type") == "service_account":
        return {"credentials_file": Said(path, label)}, {}
    return _sorted_out(
        {name: (str(item), f"file {path}") for name, item in value.items()},
        strict=path,
    )


_Found = dict[str, tuple[str, str]]


def _folder(path: str, names: list[str], files: Files) -> _Found:
    found: _Found = {}
    for name in names:
        if name.startswith("."):
            continue  # Kubernetes' own links
        file = f"{path.rstrip('/')}/{name}"
        text = files.text(file)
        if text is not None and text.strip():
            # Google's keys are a file, and stay one.
            value = file if pachyderm.key_of(name) == "google-cred" else text.strip()
            found[name] = (value, f"file {file}")
    return found


def _lines(path: str, text: str) -> _Found:
    found: _Found = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            raise InvalidArgument(
                f"secret file {path} has sections, like an AWS profile file: name it with "
                "AWS_SHARED_CREDENTIALS_FILE instead"
            )
        name, sign, value = stripped.removeprefix("export ").partition("=")
        if not sign:  # never the line itself: it may be the secret
            raise InvalidArgument(f"secret file {path}, line {number}: write name=value")
        found[name.strip()] = (value.strip().strip("\"'"), f"file {path}")
    return found


def _json(path: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidArgument(f"secret file {path} is not JSON of names and values")
    return value


def _sorted_out(found: _Found, strict: str) -> tuple[Layer, pachyderm.Names]:
    plain: Layer = {}
    theirs: pachyderm.Names = {}
    for name, (text, source) in found.items():
        folded = name.lower().replace("-", "_")
        key = pachyderm.key_of(name)
        if folded in _NAMES:
            plain[_NAMES[folded]] = Said(text, source)
        elif key:
            theirs[key] = Said(text, source)
        elif strict:
            raise InvalidArgument(
                f"secret file {strict}: {name!r} is not known; write access_key=…, secret_key=… "
                "and, where there is one, session_token=…"
            )
    return plain, theirs
