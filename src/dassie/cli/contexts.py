"""`connect` and `config …`: which server and project this client works with."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dassie.cli import grammar
from dassie.cli.grammar import Command
from dassie.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound

if TYPE_CHECKING:
    from dassie.cli.session import Session

_NAME = grammar.Positional("name", "a context's name", complete="context")
_LOCAL_SOURCE = "LOCAL"
_PEM = b"-----BEGIN CERTIFICATE-----"


def connect(session: Session) -> None:
    """Check that a server answers, then remember it; a server that is down changes nothing."""
    from dassie.cli.cluster import inspect_cluster
    from dassie.client.config import Target, parse_address
    from dassie.client.connection import Connection

    host, port, tls = parse_address(session.text("address"))
    target = Target(host, port, tls)
    with Connection(target, timeout_s=session.rpc_timeout_s) as connection:
        session.connection = connection
        info = inspect_cluster(session)
    name = session.text("name") or str(target)
    session.config.set_context(
        name,
        {
            **session.config.contexts.get(name, {}),
            "source": _LOCAL_SOURCE,
            "pachd_address": str(target),
            "cluster_deployment_id": info.deployment_id,
        },
    )
    session.config.activate(name)
    session.config.save()
    session.out.say(f'connected to {target}; context "{name}" is active')


def get_active(session: Session) -> None:
    session.out.line(session.config.active_context)


def set_active(session: Session) -> None:
    session.config.activate(session.text("name"))
    session.config.save()
    if session.config.active_context != session.text("name"):
        session.out.warn(f"PACH_CONTEXT is set, and overrides it: {session.config.active_context}")


def get_enterprise(session: Session) -> None:
    name = session.config.v2.get("active_enterprise_context")
    if not name:
        raise NotFound("no enterprise context is set")
    session.out.line(str(name))


def set_enterprise(session: Session) -> None:
    name = session.text("name")
    session.config.context(name)
    session.config.v2["active_enterprise_context"] = name
    session.config.save()


def get(session: Session) -> None:
    session.out.document(session.config.context(session.text("name")))


def set_(session: Session) -> None:
    """From JSON on stdin, as `config get context` prints it."""
    name = session.text("name")
    if name in session.config.contexts and not session.has("overwrite"):
        raise AlreadyExists(f'context "{name}" already exists; replace it with --overwrite')
    if sys.stdin.isatty():
        session.out.say("reading the context's JSON from stdin; end it with Ctrl-D")
    try:
        values = json.loads(sys.stdin.read() or "{}")
    except ValueError as error:
        raise InvalidArgument(f"stdin is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise InvalidArgument("stdin is not a JSON object")
    _check_address(values)
    session.config.set_context(name, values)
    session.config.save()


def update(session: Session) -> None:
    config = session.config
    name = session.text("name") or config.active_context
    values = dict(config.context(name))
    for key in ("pachd_address", "project", "server_cas", "auth_info", "namespace", "cluster_name"):
        if getattr(session.args, key) is not None:
            values[key] = session.text(key)
    if values.get("server_cas") and session.text("server_cas"):
        values["server_cas"] = _certificates(session.text("server_cas"))
    if session.has("remove_cluster_deployment_id"):
        values.pop("cluster_deployment_id", None)
    _check_address(values)
    values.setdefault("source", _LOCAL_SOURCE)
    config.contexts[name] = values
    config.v2.setdefault("active_context", name)
    config.save()
    session.out.say(f'context "{name}" updated')


def _certificates(text: str) -> str:
    """PEM in base64, as the configuration keeps it, of that itself or of a file of PEM."""
    try:
        pem = base64.b64decode(text, validate=True)
    except binascii.Error:
        pem = b""
    if _PEM not in pem:
        pem = Path(text).read_bytes()
    if _PEM not in pem:
        raise InvalidArgument(f"{text} is not a file of certificates (PEM)")
    return base64.b64encode(pem).decode()


def delete(session: Session) -> None:
    config, name = session.config, session.text("name")
    if name not in config.contexts:
        raise NotFound(f'context "{name}" not found')
    if name == config.v2.get("active_context"):
        raise FailedPrecondition(
            f'context "{name}" is active: choose another first, with '
            "`pachctl config set active-context NAME`"
        )
    del config.contexts[name]
    config.save()


def list_(session: Session) -> None:
    config, out = session.config, session.out
    active = config.active_context
    names = sorted({*config.contexts, active})
    if out.format != "table":
        out.documents({"name": name, "active": name == active} for name in names)
        return
    rows = []
    for name in names:
        values = config.contexts.get(name, {})
        mark = "*" if name == active else ""
        rows.append((mark, name, values.get("pachd_address", "-"), values.get("project", "-")))
    out.table(("ACTIVE", "NAME", "ADDRESS", "PROJECT"), rows)


def get_metrics(session: Session) -> None:
    session.out.line("true" if session.config.metrics else "false")


def set_metrics(session: Session) -> None:
    word = session.text("value").lower()
    if word not in ("true", "false"):
        raise session.wrong('metrics are "true" or "false"')
    session.config.v2["metrics"] = word == "true"
    session.config.save()


def _check_address(values: dict[str, Any]) -> None:
    from dassie.client.config import parse_address

    if address := values.get("pachd_address"):
        parse_address(str(address))


COMMANDS = (
    Command(
        "connect",
        connect,
        (grammar.Positional("address", "HOST:PORT, or grpcs://HOST:PORT for TLS"),),
        (
            grammar.text(
                "--name", help="what to call the context (default: the address)", metavar="NAME"
            ),
        ),
        "Asks the server who it is, and makes a context for it the active one.",
        (("a server on this machine", "pachctl connect localhost:30650"),),
    ),
    Command("config get active-context", get_active),
    Command("config set active-context", set_active, (_NAME,)),
    Command("config get active-enterprise-context", get_enterprise),
    Command("config set active-enterprise-context", set_enterprise, (_NAME,)),
    Command(
        "config get context",
        get,
        (grammar.Positional("name", "default: the active one", "?", "context"),),
        details="Prints everything, the session token too: do not paste it into a ticket.",
        formats=True,
    ),
    Command(
        "config set context",
        set_,
        (_NAME,),
        (grammar.switch("--overwrite", help="replace a context of that name"),),
        "Reads JSON from stdin.",
        (
            (
                "a server with TLS",
                """echo '{"pachd_address": "grpcs://pach.example.org:443"}' |
    pachctl config set context production""",
            ),
        ),
    ),
    Command(
        "config update context",
        update,
        (grammar.Positional("name", "default: the active one", "?", "context"),),
        (
            grammar.text("--pachd-address", help="where the server is", metavar="ADDRESS"),
            grammar.text("--project", help="the project to work in", complete="project"),
            grammar.text(
                "--server-cas", help="certificates to trust: a PEM file, or that in base64"
            ),
            grammar.text("--auth-info", help="user of the Kubernetes context"),
            grammar.text("--namespace", help="Kubernetes namespace"),
            grammar.text("--cluster-name", help="Kubernetes cluster"),
            grammar.switch("--remove-cluster-deployment-id", help="forget the server's id"),
        ),
        examples=(("work in another project", "pachctl config update context --project vision"),),
    ),
    Command("config delete context", delete, (_NAME,)),
    Command("config list context", list_, (), (grammar.NO_PAGER,), formats=True),
    Command("config get metrics", get_metrics),
    Command("config set metrics", set_metrics, (grammar.Positional("value", "true or false"),)),
)
