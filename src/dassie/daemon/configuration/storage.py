"""The settings of the object store, from all that may say something. Pure but for the reader.

Highest first: flags (then the parameters of `--storage`, then the file of `--storage-secret-file`),
environment (Dassie's names, Amazon's, Pachyderm's), secret files, AWS profiles, the configuration
file, defaults. The place comes whole from the first source that names one; credentials come
as a set from the first source that has any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from dassie.blob.settings import StorageSettings, checked, parse_url
from dassie.daemon.configuration import aws, pachyderm, secrets
from dassie.daemon.configuration.settings import CREDENTIALS, PINS, STORAGE
from dassie.daemon.configuration.sources import DEFAULT, Files, Layer, Said, expanded, first
from dassie.daemon.configuration.values import SWITCH, parsed
from dassie.errors import InvalidArgument

_KEYS: Final = tuple(setting.name for setting in CREDENTIALS)
_PATHS: Final = ("ca_file", "credentials_file", "cache_folder")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was said, by source. Flags and file have the names of settings; `storage` is the URL."""

    flags: Layer
    environment: Mapping[str, str]
    file: Layer
    files: Files
    data: Path


@dataclass(slots=True)
class Store:
    """The outcome: settings, where each came from, what to tell the operator."""

    settings: StorageSettings
    sources: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    secret_paths: tuple[str, ...] = ()
    """Files and folders that user code must never see."""


def settings_of(inputs: Inputs) -> Store:
    """The store, or InvalidArgument naming the setting that cannot be and its source."""
    theirs = pachyderm.from_environment(inputs.environment)
    named = _named_secrets(inputs)
    folder = _usual_folder(inputs, named)
    # Of one key the variable wins over the file; a file that a flag names wins over both.
    late = {**folder[1], **named.late[1], **theirs}
    names = {**late, **named.early[1]}
    url, backend, warnings = _place(inputs, names)
    base = parse_url(url.text)
    paths = [*named.paths, *([pachyderm.SECRET_FOLDER] if folder[0] or folder[1] else [])]
    translate = partial(pachyderm.translated, kind=base.kind, backend=backend)
    if base.kind != "file":
        warnings += pachyderm.ignored(names)
    cloud = _cloud(inputs, base.kind, warnings)
    in_url = _in_url(url, base)
    rank = url.source.partition(" ")[0]
    layers = [
        inputs.flags,
        in_url if rank == "flag" else {},
        named.early[0],
        *translate(named.early[1], warnings=warnings),
        _variables(inputs.environment),
        in_url if rank == "environment" else {},
        *cloud[:1],
        *translate(late, warnings=warnings),
        named.late[0],
        folder[0],
        in_url if rank == "file" else {},
        *cloud[1:],
        inputs.file,
        in_url if rank == "configuration" else {},
    ]
    store = Store(base, {"storage": url.source}, warnings, tuple(paths))
    _resolve(store, layers, inputs)
    place = store.sources.get("secret_key", "")
    if place.startswith("profile "):
        store.secret_paths += (place.rpartition(" of ")[2],)
    return store


@dataclass(slots=True)
class _Secrets:
    """Of files that were named: by a flag (`early`), by the environment or the file (`late`)."""

    early: tuple[Layer, pachyderm.Names] = field(default_factory=lambda: ({}, {}))
    late: tuple[Layer, pachyderm.Names] = field(default_factory=lambda: ({}, {}))
    paths: list[str] = field(default_factory=list)


def _named_secrets(inputs: Inputs) -> _Secrets:
    found = _Secrets()
    variable = inputs.environment.get("DASSIE_STORAGE_SECRET_FILE", "")
    flag = inputs.flags.get("storage_secret_file")
    other = (
        Said(variable, "environment DASSIE_STORAGE_SECRET_FILE")
        if variable
        else inputs.file.get("storage_secret_file")
    )
    for said, early in ((flag, True), (None if flag else other, False)):
        if said is None or not said.text:
            continue
        path = expanded(said.text, inputs.environment)
        read = secrets.read(path, inputs.files, said.source)
        found.paths.append(path)
        if early:
            found.early = read
        else:
            found.late = read
    return found


def _usual_folder(inputs: Inputs, named: _Secrets) -> tuple[Layer, pachyderm.Names]:
    """Where Kubernetes mounts Pachyderm's secret; another file that was named is instead of it."""
    if named.paths or inputs.files.entries(pachyderm.SECRET_FOLDER) is None:
        return {}, {}
    return secrets.read(pachyderm.SECRET_FOLDER, inputs.files, "secret folder")


def _place(inputs: Inputs, names: pachyderm.Names) -> tuple[Said, str, list[str]]:
    """URL of the store, Pachyderm's backend when that named it, warnings."""
    said = inputs.flags.get("storage")
    if said is None and inputs.environment.get("DASSIE_STORAGE"):
        said = Said(inputs.environment["DASSIE_STORAGE"], "environment DASSIE_STORAGE")
    if said is not None and said.text:
        return said, "", []
    theirs, backend = pachyderm.place(names)
    if theirs is not None:
        url, warnings = pachyderm.usual_url(theirs)
        return url, backend, warnings
    said = inputs.file.get("storage")
    if said is not None and said.text:
        return said, "", []
    return Said((inputs.data / "objects").as_uri(), DEFAULT), "", []


def _variables(environment: Mapping[str, str]) -> Layer:
    return {
        setting.name: Said(environment[setting.variable], f"environment {setting.variable}")
        for setting in STORAGE.values()
        if environment.get(setting.variable)
    }


def _in_url(url: Said, base: StorageSettings) -> Layer:
    """The parameters that stand in the URL, as a layer."""
    written = {name.replace("-", "_") for name, _ in parse_qsl(urlsplit(url.text).query, True)}
    layer = {
        name: Said(_text(getattr(base, name)), f"{url.source}: {name}")
        for name in STORAGE
        if name in written
    }
    if base.endpoint and url.text.startswith("minio:"):
        layer["endpoint"] = Said(base.endpoint, f"{url.source}: endpoint")
    if base.addressing and "addressing" not in layer:
        layer["addressing"] = Said(base.addressing, f"{url.source}: addressing")
    return layer


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cloud(inputs: Inputs, kind: str, warnings: list[str]) -> list[Layer]:
    """What the cloud's own tools would take: from variables, then from files."""
    environment = inputs.environment
    if kind == "s3":
        direct = aws.variables(environment)
        files, said = aws.profile(environment, inputs.files, _profile(inputs))
        warnings += said if not direct.get("access_key") else []
        return [direct, files]
    if kind == "gs" and environment.get("GOOGLE_APPLICATION_CREDENTIALS"):
        variable = "GOOGLE_APPLICATION_CREDENTIALS"
        return [{"credentials_file": Said(environment[variable], f"environment {variable}")}]
    pairs = {"access_key": "AZURE_STORAGE_ACCOUNT", "secret_key": "AZURE_STORAGE_KEY"}
    if kind == "az":
        return [
            {
                name: Said(environment[variable], f"environment {variable}")
                for name, variable in pairs.items()
                if environment.get(variable)
            }
        ]
    return [{}]


def _profile(inputs: Inputs) -> Said | None:
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        if "storage_profile" not in inputs.flags and inputs.environment.get(variable):
            return Said(inputs.environment[variable], f"environment {variable}")
    return inputs.flags.get("storage_profile") or inputs.file.get("storage_profile")


def _resolve(store: Store, layers: list[Layer], inputs: Inputs) -> None:
    """Fill in what the URL left open."""
    base = store.settings
    values: dict[str, Any] = {"kind": base.kind, "path": base.path}
    values |= {"bucket": base.bucket, "prefix": base.prefix}
    if base.kind != "file":
        _pins(values, store, layers, inputs)
        _credentials(values, store, layers)
    store.settings = checked(StorageSettings(**values))
    indirect = aws.indirect(inputs.environment)
    if base.kind == "s3" and not store.settings.access_key and indirect:
        store.warnings.append(
            f"credentials by way of {indirect} are not supported: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or --storage-secret-file"
        )


def _pins(values: dict[str, Any], store: Store, layers: list[Layer], inputs: Inputs) -> None:
    endpoint = first(layers, "endpoint")
    for setting in PINS:
        said = first(layers, setting.name)
        if said is not None and setting.name == "region" and _other_cloud(said, endpoint):
            where = endpoint.text if endpoint else ""
            store.warnings.append(
                f"the region of the {said.source} is not used for {where}:"
                " it is found out (to insist on one: --storage-region)"
            )
            said = None
        if said is None or (not said.text and setting.kind != SWITCH):
            store.sources[setting.name] = DEFAULT
            continue
        what = f"{setting.flag} ({setting.name})" if "flag" not in said.source else setting.flag
        values[setting.name] = parsed(setting.kind, said.text, what, said.source)
        store.sources[setting.name] = said.source
    for name in _PATHS:
        if values.get(name):
            values[name] = expanded(values[name], inputs.environment)
    if "cache_folder" not in values:
        values["cache_folder"] = str(inputs.data / "cache")
    _scheme(values, first(layers, pachyderm.TLS))


def _other_cloud(region: Said, endpoint: Said | None) -> bool:
    """Whether the region is that of Amazon's tools while the store is somewhere else."""
    if endpoint is None or ".amazonaws.com" in endpoint.text:
        return False
    ambient = region.source.startswith(("environment AWS_", "profile "))
    together = endpoint.source.startswith("environment AWS_") or endpoint.source == region.source
    return ambient and not together


def _scheme(values: dict[str, Any], said: Said | None) -> None:
    endpoint = values.get("endpoint", "")
    if said is not None and endpoint and "://" not in endpoint:
        secure = parsed(SWITCH, said.text, "TLS for the store", said.source)
        values["endpoint"] = f"{'https' if secure else 'http'}://{endpoint}"


def _credentials(values: dict[str, Any], store: Store, layers: list[Layer]) -> None:
    for name in _KEYS:
        store.sources[name] = DEFAULT
    for layer in layers:
        if "access_key" not in layer and "secret_key" not in layer:
            continue
        for one, other in (("access_key", "secret_key"), ("secret_key", "access_key")):
            if not layer.get(other, Said("", "")).text:
                raise InvalidArgument(
                    f"the {layer[one].source} gives the {one.replace('_', ' ')} without the"
                    f" {other.replace('_', ' ')}: give both in one place"
                )
        for name in _KEYS:
            if name in layer:
                values[name] = layer[name].text
                store.sources[name] = layer[name].source
        return
