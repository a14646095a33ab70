"""The configuration of clients: `~/.pachyderm/config.json`, shared with every Pachyderm client.

Contexts name servers and a default project. Keys that are not ours are kept as they are; nothing of
ours is added, because the official SDK refuses keys it does not know. Called by the command line;
opens no connection.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dassie.client.refs import DEFAULT_PROJECT
from dassie.errors import FailedPrecondition, InvalidArgument, NotFound

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 30650
DEFAULT_CONTEXT = "local"
_TLS_SCHEMES = {"grpcs", "https"}
_PLAIN_SCHEMES = {"grpc", "http"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client connects to, and as whom. `origin` says which setting decided the address."""

    host: str
    port: int
    tls: bool = False
    root_certificates: bytes | None = None
    token: str = ""
    transaction: str = ""
    origin: str = "default"

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'grpcs' if self.tls else 'grpc'}://{self.address}"

    def __repr__(self) -> str:
        return f"Target({self}, origin={self.origin!r})"


def parse_address(text: str) -> tuple[str, int, bool]:
    """`[grpc[s]://]host[:port]` → host, port, TLS."""
    scheme, separator, _ = text.partition("://")
    url = text if separator else f"grpc://{text}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidArgument(f'"{text}" is not an address: {error}') from None
    if separator and scheme not in _TLS_SCHEMES | _PLAIN_SCHEMES:
        raise InvalidArgument(f'address "{text}": unknown scheme "{scheme}", use grpc or grpcs')
    if not host or parts.path.strip("/") or parts.query:
        raise InvalidArgument(f'"{text}" is not an address: write host:port or grpcs://host:port')
    return host, port or DEFAULT_PORT, separator != "" and scheme in _TLS_SCHEMES


def config_path(environ: Mapping[str, str]) -> Path:
    """`$PACH_CONFIG`, else `~/.pachyderm/config.json`."""
    if explicit := environ.get("PACH_CONFIG"):
        return Path(explicit).expanduser()
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".pachyderm" / "config.json"


class Config:
    """One configuration file in memory. `save()` replaces the file atomically, mode 0600."""

    def __init__(self, path: Path, data: dict[str, Any], environ: Mapping[str, str]) -> None:
        self.path = path
        self.data = data
        self._environ = environ

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the file; a missing one is an empty configuration."""
        environ = os.environ if environ is None else environ
        path = config_path(environ)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls(path, {}, environ)
        except OSError as error:
            raise FailedPrecondition(f"cannot read {path}: {error.strerror}") from None
        try:
            data = json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise FailedPrecondition(
                f"{path} is not JSON ({error}); repair it, or move it away to start afresh"
            ) from None
        if not _is_configuration(data):
            raise FailedPrecondition(
                f"{path} is not a Pachyderm configuration; repair it, or move it away to start "
                "afresh"
            )
        if "v2" not in data and isinstance(v1 := data.get("v1"), dict):
            data["v2"] = _from_v1(v1)
        return cls(path, data, environ)

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, scratch = tempfile.mkstemp(dir=self.path.parent, prefix=".config-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self.data, file, indent=2)
                file.write("\n")
            Path(scratch).replace(self.path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise

    @property
    def v2(self) -> dict[str, Any]:
        """The section that holds everything; made on first use, complete enough for the SDK."""
        section: dict[str, Any] = self.data.setdefault("v2", {})
        return section

    @property
    def contexts(self) -> dict[str, dict[str, Any]]:
        contexts: dict[str, dict[str, Any]] = self.v2.setdefault("contexts", {})
        return contexts

    @property
    def active_context(self) -> str:
        """Name of the context in force: `$PACH_CONTEXT`, else the file's, else `local`."""
        name = self._environ.get("PACH_CONTEXT") or self.v2.get("active_context")
        return str(name or DEFAULT_CONTEXT)

    def context(self, name: str = "") -> dict[str, Any]:
        """A context by name (default: the active one). The built-in `local` may be absent."""
        name = name or self.active_context
        found = self.contexts.get(name)
        if found is None:
            if name == DEFAULT_CONTEXT:
                return {}
            raise NotFound(
                f'context "{name}" not found in {self.path}; see `pachctl config list context`'
            )
        return found

    def set_context(self, name: str, values: dict[str, Any]) -> None:
        self.contexts[name] = values
        self.v2.setdefault("active_context", name)

    def activate(self, name: str) -> None:
        if name not in self.contexts:
            if name != DEFAULT_CONTEXT:
                raise NotFound(f'context "{name}" not found; see `pachctl config list context`')
            self.contexts[name] = {}
        self.v2["active_context"] = name

    @property
    def project(self) -> str:
        """The project commands work in when none is named."""
        return str(self.context().get("project") or DEFAULT_PROJECT)

    @property
    def metrics(self) -> bool:
        return bool(self.v2.get("metrics", True))

    @property
    def max_completions(self) -> int:
        """Upper bound for live names in shell completion (`v2.max_shell_completions`)."""
        try:
            return max(0, int(self.v2.get("max_shell_completions") or 64))
        except (TypeError, ValueError):
            return 64

    def target(self) -> Target:
        """`$PACHD_ADDRESS` > the context > a port forward > in-cluster variables > localhost."""
        environ = self._environ
        if explicit := environ.get("PACHD_ADDRESS"):
            host, port, tls = parse_address(explicit)
            return Target(host, port, tls, origin="PACHD_ADDRESS")
        context = self.context()
        token = str(context.get("session_token") or "")
        transaction = str(context.get("active_transaction") or "")
        roots = _certificates(context.get("server_cas"))
        origin = f'context "{self.active_context}"'
        if address := context.get("pachd_address"):
            host, port, tls = parse_address(str(address))
        elif port_text := (context.get("port_forwarders") or {}).get("pachd"):
            host, port, tls = DEFAULT_HOST, int(port_text), False
        elif peer := environ.get("PACHD_PEER_SERVICE_HOST"):
            host, tls, origin = peer, False, "PACHD_PEER_SERVICE_HOST"
            port = int(environ.get("PACHD_PEER_SERVICE_PORT") or DEFAULT_PORT)
        else:
            host, port, tls, origin = DEFAULT_HOST, DEFAULT_PORT, False, "default"
        return Target(host, port, tls or roots is not None, roots, token, transaction, origin)


def _is_configuration(data: object) -> bool:
    if not isinstance(data, dict) or not isinstance(v2 := data.get("v2", {}), dict):
        return False
    contexts = v2.get("contexts", {})
    return isinstance(contexts, dict) and all(isinstance(one, dict) for one in contexts.values())


def _from_v1(v1: dict[str, Any]) -> dict[str, Any]:
    """What a `pachctl` before contexts wrote, as the context that later ones make of it."""
    name = "default"
    context = {"source": "CONFIG_V1", **v1}
    return {"active_context": name, "contexts": {name: context}, "metrics": True}


def _certificates(encoded: object) -> bytes | None:
    if not encoded:
        return None
    try:
        return base64.b64decode(str(encoded), validate=True)
    except binascii.Error:
        raise FailedPrecondition("server_cas in the active context is not base64") from None
