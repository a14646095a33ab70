"""Where settings come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dassie.blob.settings import StorageSettings
from dassie.daemon.config import Config, read
from dassie.errors import InvalidArgument


def test_defaults_are_loopback_and_the_users_data_folder() -> None:
    config = read([], {"HOME": "/home/me"})
    store = StorageSettings("file", path="/home/me/.local/share/dassie/objects")
    assert config == Config(data=Path("/home/me/.local/share/dassie"), storage=store)
    assert (config.host, config.port) == ("127.0.0.1", 30650)
    assert config.database_url == "sqlite:////home/me/.local/share/dassie/metadata.db"


def test_xdg_data_home_counts_when_it_is_absolute() -> None:
    assert read([], {"HOME": "/h", "XDG_DATA_HOME": "/data"}).data == Path("/data/dassie")
    assert read([], {"HOME": "/h", "XDG_DATA_HOME": "x"}).data == Path("/h/.local/share/dassie")


def test_flags_beat_the_environment_that_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "pachd.toml"
    file.write_text('port = 1\nthreads = 5\nlog_level = "debug"\n')
    environment = {"HOME": "/h", "PORT": "2", "DASSIE_LOG_LEVEL": "error"}
    config = read(["--config", str(file), "--port", "3"], environment)
    assert (config.port, config.threads, config.log_level) == (3, 5, "error")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5m", 90), ("2h", 7200), ("5s", 5)])
def test_times_have_units(text: str, seconds: float) -> None:
    assert read(["--gc-period", text], {"HOME": "/h"}).gc_period == seconds


def test_postgres_urls_in_either_spelling() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        config = read([], {"HOME": "/h", "DASSIE_DATABASE": f"{scheme}://u:p@h/d"})
        assert config.database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--port", "x"], "--port must be a number, not 'x' (from the flag --port)"),
        (["--port", "70000"], "between 0 and 65535"),
        (["--threads", "1"], "at least 2"),
        (["--log-level", "loud"], "one of debug, info"),
        (["--sandbox", "jail"], "bwrap, auto or plain"),
        (["--gc-grace", "-1"], "must not be negative"),
        (["--postgres-url", "mysql://secret@h/d"], "must begin with postgresql://"),
        (["--config", "/no/such/file"], "/no/such/file does not exist"),
    ],
)
def test_what_is_refused(flags: list[str], text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read(flags, {"HOME": "/h"})
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pachd.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(InvalidArgument, match="unknown setting 'prot'"):
        read(["--config", str(file)], {"HOME": "/h"})


def test_exposed_paths_are_split_and_absolute() -> None:
    config = read(["--expose", "/opt/tools, /srv/x:/tools"], {"HOME": "/home/x"})
    assert config.exposed == ("/opt/tools", "/srv/x:/tools")
    with pytest.raises(InvalidArgument, match="absolute"):
        read(["--expose", "tools"], {"HOME": "/home/x"})
