"""The configuration file that all clients share."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dassie.client.config import Config, parse_address
from dassie.errors import FailedPrecondition, InvalidArgument, NotFound


def environ(path: Path, **more: str) -> dict[str, str]:
    return {"PACH_CONFIG": str(path), **more}


def written(tmp_path: Path, **v2: object) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"user_id": "u", "future": [1], "v2": v2}))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", 30650, False)),
        ("host:80", ("host", 80, False)),
        ("grpc://host:1", ("host", 1, False)),
        ("grpcs://host", ("host", 30650, True)),
        ("https://host:443/", ("host", 443, True)),
        ("[::1]:7", ("::1", 7, False)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int, bool]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "ftp://host", "host:port", "host:99999", "grpc://host/path"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_address(text)


def test_no_file_means_this_machine(tmp_path: Path) -> None:
    config = Config.load(environ(tmp_path / "none.json"))
    assert config.target().address == "localhost:30650"
    assert config.project == "default"
    assert config.active_context == "local"


def test_where_the_address_comes_from(tmp_path: Path) -> None:
    contexts = {
        "a": {"pachd_address": "grpc://a:1", "session_token": "secret"},
        "b": {"port_forwarders": {"pachd": 4242}},
        "c": {},
    }
    path = written(tmp_path, active_context="a", contexts=contexts)
    assert str(Config.load(environ(path)).target()) == "grpc://a:1"
    assert Config.load(environ(path)).target().token == "secret"
    assert Config.load(environ(path, PACH_CONTEXT="b")).target().port == 4242
    peer = environ(path, PACH_CONTEXT="c", PACHD_PEER_SERVICE_HOST="10.0.0.1")
    assert Config.load(peer).target().address == "10.0.0.1:30650"
    override = Config.load(environ(path, PACHD_ADDRESS="grpcs://z:9")).target()
    assert (override.address, override.tls, override.token) == ("z:9", True, "")


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    contexts = {"a": {"pachd_address": "a:1", "session_token": "secret"}}
    target = Config.load(environ(written(tmp_path, active_context="a", contexts=contexts))).target()
    assert "secret" not in repr(target) + str(target)


def test_unknown_keys_survive(tmp_path: Path) -> None:
    path = written(tmp_path, active_context="a", contexts={"a": {"odd": 1}}, strange=True)
    config = Config.load(environ(path))
    config.set_context("b", {"pachd_address": "b:1"})
    config.activate("b")
    config.save()
    data = json.loads(path.read_text())
    assert data["future"] == [1]
    assert data["v2"]["strange"] is True
    assert data["v2"]["contexts"]["a"] == {"odd": 1}
    assert data["v2"]["active_context"] == "b"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_official_sdk_reads_what_we_write(tmp_path: Path) -> None:
    from pachyderm_sdk.config import ConfigFile

    path = tmp_path / "config.json"
    config = Config.load(environ(path))
    config.set_context("here", {"source": "LOCAL", "pachd_address": "grpc://localhost:30650"})
    config.save()
    assert ConfigFile.from_path(path).active_context.pachd_address == "grpc://localhost:30650"


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(FailedPrecondition, match=r"config\.json is not JSON"):
        Config.load(environ(path))
    for odd in ("[]", '{"v2": []}', '{"v2": {"contexts": []}}', '{"v2": {"contexts": {"a": 1}}}'):
        path.write_text(odd)
        with pytest.raises(FailedPrecondition, match="is not a Pachyderm configuration"):
            Config.load(environ(path))
    path.write_text('{"v2": {"contexts": {}, "active_context": "gone"}}')
    with pytest.raises(NotFound, match='context "gone" not found'):
        Config.load(environ(path)).target()
    contexts = {"a": {"pachd_address": "a:1", "server_cas": "%%%"}}
    with pytest.raises(FailedPrecondition, match="server_cas"):
        Config.load(environ(written(tmp_path, active_context="a", contexts=contexts))).target()


@pytest.mark.parametrize(("value", "expected"), [(None, 64), (5, 5), ("7", 7), ("x", 64)])
def test_max_shell_completions(tmp_path: Path, value: object, expected: int) -> None:
    path = written(tmp_path, max_shell_completions=value)
    assert Config.load(environ(path)).max_completions == expected


def test_a_file_from_before_contexts(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"user_id": "u", "v1": {"pachd_address": "h:1", "session_token": "t"}}')
    config = Config.load(environ(path))
    assert (config.active_context, config.context()["source"]) == ("default", "CONFIG_V1")
    assert (str(config.target()), config.target().token) == ("grpc://h:1", "t")
    config.save()
    assert set(json.loads(path.read_text())) == {"user_id", "v1", "v2"}
    assert str(Config.load(environ(path)).target()) == "grpc://h:1"
