"""What Amazon's own tools would take: variables and profile files. Pure but for the reader."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from typing import Final

from dassie.daemon.configuration.sources import Files, Layer, Said, expanded
from dassie.errors import InvalidArgument

VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "access_key",
    "AWS_SECRET_ACCESS_KEY": "secret_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
    "AWS_ENDPOINT_URL_S3": "endpoint",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_CA_BUNDLE": "ca_file",
}
"""Of two for one setting the first that is set wins."""

_IN_PROFILES: Final = {
    "aws_access_key_id": "access_key",
    "aws_secret_access_key": "secret_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
    "ca_bundle": "ca_file",
}
_SIGNATURES: Final = {"s3": "v2", "s3v4": "v4"}
_INDIRECT: Final = ("role_arn", "credential_process", "sso_session", "sso_start_url")
_INDIRECT_VARIABLES: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def variables(environment: Mapping[str, str]) -> Layer:
    """Settings of the environment, without those that concern Amazon's clouds only."""
    layer: Layer = {}
    for variable, name in VARIABLES.items():
        if environment.get(variable) and name not in layer:
            layer[name] = Said(environment[variable], f"environment {variable}")
    return layer


def profile(
    environment: Mapping[str, str], files: Files, chosen: Said | None
) -> tuple[Layer, list[str]]:
    """Settings of the profile files, and warnings. `chosen`: a profile that must exist."""
    name = chosen.text if chosen else "default"
    layer: Layer = {}
    warnings: list[str] = []
    found = False
    for variable, usual, prefix in (
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", ""),
        ("AWS_CONFIG_FILE", "~/.aws/config", "profile "),
    ):
        path = expanded(environment.get(variable) or usual, environment)
        section = _section(files.text(path), path, name, prefix)
        if section is None:
            continue
        found = True
        label = f"profile {name!r} of {path}"
        for key, text in section.items():
            if key in _IN_PROFILES and text:
                layer.setdefault(_IN_PROFILES[key], Said(text, label))
        for key, text in _nested(section.get("s3", "")).items():
            if key == "addressing_style" and text in {"path", "virtual"}:
                layer.setdefault("addressing", Said(text, label))
            elif key == "signature_version" and text in _SIGNATURES:
                layer.setdefault("signature", Said(_SIGNATURES[text], label))
            elif key == "endpoint_url":
                layer["endpoint"] = Said(text, label)
        indirect = [key for key in _INDIRECT if key in section]
        if indirect and "access_key" not in layer:
            warnings.append(
                f"{label} has {indirect[0]}, which is not supported: give it an access key, "
                "or use another profile"
            )
    if chosen and not found:
        raise InvalidArgument(f"there is no AWS profile {name!r} (from the {chosen.source})")
    return layer, warnings


def indirect(environment: Mapping[str, str]) -> str:
    """A variable that promises credentials in a way that is not supported; empty: none."""
    return next((name for name in _INDIRECT_VARIABLES if environment.get(name)), "")


def _section(text: str | None, path: str, name: str, prefix: str) -> dict[str, str] | None:
    if text is None:
        return None
    parser = configparser.RawConfigParser(strict=False, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error:  # its message quotes lines, which may be secrets
        raise InvalidArgument(
            f"{path} is not an AWS profile file: a line is not understood"
        ) from None
    for section in (prefix + name, name) if name == "default" else (prefix + name,):
        if parser.has_section(section):
            return dict(parser.items(section))
    return None


def _nested(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}
