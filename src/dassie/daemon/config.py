"""Settings of `pachd`: flags, then environment, then a file, then defaults. Called by `main` only.

The only module of the server that reads the environment. It validates; it builds nothing.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from dassie import __version__
from dassie.errors import InvalidArgument

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything `wiring` needs to know."""

    data: Path
    """Folder of this server: database, objects, log, lock."""
    host: str = "127.0.0.1"
    port: int = 30650
    """0: any free port."""
    database: str = ""
    """SQLAlchemy-style URL; empty: SQLite in `data`."""
    storage: str = ""
    """URL of the object store; empty: a folder in `data`."""
    log_level: str = "info"
    threads: int = 32
    """Calls that may block at the same time; more wait."""
    sandbox: str = "bwrap"
    """How user code is shut in: `bwrap`, `auto` or `plain`."""
    expose: str = ""
    """Absolute paths that user code may read beside the system's, separated by commas."""
    gc_period: float = 600.0
    """Seconds between two runs of the garbage collector; 0: never."""
    gc_grace: float = 3600.0
    """Seconds for which what became garbage is kept, longer than any read lasts."""
    stop_grace: float = 10.0
    """Seconds that running calls get after SIGTERM."""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'metadata.db'}"

    @property
    def exposed(self) -> tuple[str, ...]:
        return tuple(path.strip() for path in self.expose.split(",") if path.strip())

    @property
    def storage_url(self) -> str:
        return self.storage or f"file:{self.data / 'objects'}"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where else than in the file a setting may come from."""

    flag: str
    variable: str
    meaning: str


_SOURCES: dict[str, _Source] = {
    "data": _Source("--data", "DASSIE_DATA", "folder for everything this server keeps"),
    "host": _Source("--host", "DASSIE_HOST", "address to listen on"),
    "port": _Source("--port", "PORT", "port to listen on; 0 takes a free one"),
    "database": _Source(
        "--postgres-url", "DASSIE_DATABASE", "postgresql://user:password@host/name, for a cluster"
    ),
    "storage": _Source("--storage", "DASSIE_STORAGE", "URL of the object store"),
    "log_level": _Source("--log-level", "DASSIE_LOG_LEVEL", "one of " + ", ".join(LEVELS)),
    "threads": _Source("--threads", "DASSIE_THREADS", "calls that run at the same time"),
    "sandbox": _Source(
        "--sandbox", "DASSIE_SANDBOX", "user code is shut in by: bwrap, auto or plain (nothing)"
    ),
    "expose": _Source(
        "--expose", "DASSIE_EXPOSE", "further paths that user code may read: /a,/b:/seen/as"
    ),
    "gc_period": _Source("--gc-period", "STORAGE_GC_PERIOD", "seconds between collections; 0: off"),
    "gc_grace": _Source("--gc-grace", "DASSIE_GC_GRACE", "seconds for which garbage is kept"),
    "stop_grace": _Source("--stop-grace", "DASSIE_STOP_GRACE", "seconds for calls on SIGTERM"),
}

_DEFAULT_TEXT = {
    "data": "$XDG_DATA_HOME/dassie or ~/.local/share/dassie",
    "database": "SQLite in the data folder",
    "storage": "a folder in the data folder",
    "expose": "none",
}


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """The configuration, or InvalidArgument naming the setting and where it came from."""
    parsed = vars(_parser().parse_args(arguments))
    config = Config(data=_default_data(environment))
    config_file = parsed.pop("config") or environment.get("DASSIE_CONFIG", "")
    if config_file:
        path = Path(config_file).expanduser()
        config = _apply(config, _from_file(path), f"file {path}")
    set_variables = {
        name: environment[source.variable]
        for name, source in _SOURCES.items()
        if environment.get(source.variable)
    }
    config = _apply(config, set_variables, "environment")
    flags = {name: value for name, value in parsed.items() if value is not None}
    return _checked(_apply(config, flags, "command line"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pachd",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Serve versioned data and pipelines: Pachyderm's API 2.12, on this machine.\n\n"
        "Without any setting it keeps everything in your data folder and listens on loopback.\n"
        "A flag wins over the variable in brackets, that over the file of --config.",
        epilog="It prints one line when it is ready, writes pachd.log in the data folder,\n"
        "and stops on SIGTERM or Ctrl-C after the running calls have ended.",
    )
    for name, source in _SOURCES.items():
        default = _DEFAULT_TEXT.get(name, _default_of(name))
        parser.add_argument(
            source.flag,
            dest=name,
            metavar=source.flag.rpartition("-")[2].upper(),
            help=f"{source.meaning} [{source.variable}; default: {default}]",
        )
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file of the same settings [DASSIE_CONFIG]"
    )
    parser.add_argument("--version", action="version", version=f"pachd {__version__} (API 2.12)")
    return parser


def _default_of(name: str) -> object:
    return next(field.default for field in fields(Config) if field.name == name)


def _default_data(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_DATA_HOME", "")
    # The XDG specification says that a relative path there is to be ignored.
    if not base.startswith("/"):
        home = environment.get("HOME")
        base = str((Path(home) if home else Path.home()) / ".local" / "share")
    return Path(base) / "dassie"


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        raise InvalidArgument(f"configuration file {path} does not exist") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidArgument(f"cannot read configuration file {path}: {error}") from error
    unknown = sorted(values.keys() - _SOURCES.keys())
    if unknown:
        known = ", ".join(_SOURCES)
        raise InvalidArgument(
            f"configuration file {path}: unknown setting {unknown[0]!r}; known are {known}"
        )
    return values


def _apply(config: Config, values: Mapping[str, Any], origin: str) -> Config:
    changes = {name: _converted(name, value, origin) for name, value in values.items()}
    return replace(config, **changes)


def _converted(name: str, value: Any, origin: str) -> Any:
    default = _default_of(name)
    text = str(value)
    try:
        if name == "data":
            return Path(text).expanduser().absolute()
        if isinstance(default, float):
            return _seconds(text)
        if isinstance(default, int):
            return int(text)
    except ValueError:
        raise InvalidArgument(
            f"{_SOURCES[name].flag} must be a number, not {text!r} (from the {origin})"
        ) from None
    return text


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str) -> float:
    """`90`, `90s`, `1.5m`, `2h`."""
    for unit, factor in _UNITS.items():
        if text.endswith(unit) and text[: -len(unit)].replace(".", "", 1).isdigit():
            return float(text[: -len(unit)]) * factor
    return float(text)


def _checked(config: Config) -> Config:
    if not 0 <= config.port <= 65535:
        raise InvalidArgument(f"--port must be between 0 and 65535, not {config.port}")
    if config.log_level not in LEVELS:
        raise InvalidArgument(
            f"--log-level must be one of {', '.join(LEVELS)}, not {config.log_level!r}"
        )
    if config.sandbox not in ("bwrap", "auto", "plain"):
        raise InvalidArgument(f"--sandbox must be bwrap, auto or plain, not {config.sandbox!r}")
    for path in config.exposed:
        if not path.startswith("/"):
            raise InvalidArgument(f"--expose takes absolute paths, not {path!r}")
    if config.threads < 2:
        raise InvalidArgument(f"--threads must be at least 2, not {config.threads}")
    for name in ("gc_period", "gc_grace", "stop_grace"):
        if getattr(config, name) < 0:
            raise InvalidArgument(f"{_SOURCES[name].flag} must not be negative")
    scheme = config.database.partition(":")[0]
    if scheme in {"postgres", "postgresql"}:
        rest = config.database.partition(":")[2]
        config = replace(config, database=f"postgresql+psycopg:{rest}")
    elif config.database and scheme not in {"sqlite", "postgresql+psycopg"}:
        raise InvalidArgument(
            f"--postgres-url must begin with postgresql:// (it begins with {scheme!r})"
        )
    return config
