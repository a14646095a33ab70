"""Settings of `pachd`: flags, then environment, then secret files, then a file, then defaults.

Called by `main` only. It validates; it builds nothing. How the object store's settings come about
is in `configuration.storage`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dassie.blob.settings import StorageSettings
from dassie.daemon.configuration import arguments as command_line
from dassie.daemon.configuration import settings, storage
from dassie.daemon.configuration.settings import LEVELS, Setting
from dassie.daemon.configuration.sources import (
    DEFAULT,
    Files,
    Layer,
    MachineFiles,
    Said,
    expanded,
    first,
)
from dassie.daemon.configuration.values import parsed
from dassie.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Config:
    """Everything `wiring` needs to know."""

    data: Path
    """Folder of this server: database, objects, log, lock."""
    storage: StorageSettings
    """The object store; without any setting a folder in `data`."""
    host: str = "127.0.0.1"
    port: int = 30650
    """0: any free port."""
    database: str = field(default="", repr=False)
    """SQLAlchemy-style URL; empty: SQLite in `data`."""
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
    storage_wait: float = 60.0
    """Seconds for which starting waits for a store that does not answer."""
    adopt: bool = False
    """Whether a bucket of another server, which is gone for good, may be taken over."""
    secret_paths: tuple[str, ...] = ()
    """Where credentials lie; never shown to user code."""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'metadata.db'}"

    @property
    def exposed(self) -> tuple[str, ...]:
        return tuple(path.strip() for path in self.expose.split(",") if path.strip())


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, what was asked for, and where everything came from."""

    command: str
    output: str
    config: Config
    sources: Mapping[str, str] = field(default_factory=dict)
    """By name of the setting; those of the store as `StorageSettings` names them."""
    warnings: tuple[str, ...] = ()


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """The configuration, or InvalidArgument naming the setting and where it came from."""
    return load(arguments, environment).config


def load(
    arguments: Sequence[str], environment: Mapping[str, str], files: Files | None = None
) -> Loaded:
    """The same, with sources. `files`: the machine's, unless a test has others."""
    files = files or MachineFiles()
    given = command_line.parse(arguments, defaults())
    path = given.config_file or environment.get("DASSIE_CONFIG", "")
    file = _from_file(expanded(path, environment), files) if path else {}
    layers = [given.flags, _variables(environment), file]
    values: dict[str, Any] = {"data": _default_data(environment)}
    sources: dict[str, str] = {}
    for setting in settings.SERVER:
        said = first(layers, setting.name)
        sources[setting.name] = said.source if said else DEFAULT
        if said is not None:
            values[setting.name] = parsed(setting.kind, said.text, setting.flag, said.source)
    values["data"] = Path(expanded(str(values["data"]), environment)).absolute()
    inputs = storage.Inputs(given.flags, environment, file, files, values["data"])
    store = storage.settings_of(inputs)
    config = _checked(Config(storage=store.settings, secret_paths=store.secret_paths, **values))
    found = sources | store.sources
    return Loaded(given.command, given.output, config, found, tuple(store.warnings))


def defaults() -> dict[str, Any]:
    """Default values by name of the setting, where there is one."""
    own = {item.name: item.default for item in fields(Config) if item.default is not MISSING}
    return settings.PIN_DEFAULTS | own


def _variables(environment: Mapping[str, str]) -> Layer:
    return {
        setting.name: Said(environment[setting.variable], f"environment {setting.variable}")
        for setting in settings.SERVER
        if environment.get(setting.variable)
    }


def _default_data(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_DATA_HOME", "")
    # The XDG specification says that a relative path there is to be ignored.
    if not base.startswith("/"):
        home = environment.get("HOME")
        base = str((Path(home) if home else Path.home()) / ".local" / "share")
    return Path(base) / "dassie"


def _from_file(path: str, files: Files) -> Layer:
    text = files.text(path)
    if text is None:
        raise InvalidArgument(f"configuration file {path} does not exist")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"cannot read configuration file {path}: {error}") from error
    label = f"configuration file {path}"
    layer: Layer = {}
    table = values.pop("storage", None)
    if isinstance(table, dict):
        values |= {"storage" if name == "url" else f"storage_{name}": table[name] for name in table}
    elif table is not None:
        values["storage"] = table
    for name, value in values.items():
        layer[_known(name, path)] = Said(_text(value), label)
    return layer


def _known(name: str, path: str) -> str:
    """The setting that a name in the file means."""
    if name in {each.name for each in (*settings.SERVER, *settings.ACCESS)}:
        return name
    word = name.removeprefix("storage_")
    if name != word and word in {each.name for each in settings.CREDENTIALS}:
        raise InvalidArgument(
            f"configuration file {path}: {name} does not belong there: put the credentials into a "
            "file of their own and name it with storage_secret_file"
        )
    pins: dict[str, Setting] = {each.name: each for each in settings.PINS}
    pins |= {each.flag[10:].replace("-", "_"): each for each in settings.PINS}
    if name != word and word in pins:
        return pins[word].name
    known = [each.name for each in (*settings.SERVER, *settings.ACCESS)]
    known += [f"storage_{each.name}" for each in settings.PINS]
    raise InvalidArgument(
        f"configuration file {path}: unknown setting {name!r}; known are {', '.join(known)}"
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    for setting in settings.SERVER:
        value = getattr(config, setting.name)
        if isinstance(value, float) and value < 0:
            raise InvalidArgument(f"{setting.flag} must not be negative")
    scheme = config.database.partition(":")[0]
    if scheme in {"postgres", "postgresql"}:
        rest = config.database.partition(":")[2]
        config = replace(config, database=f"postgresql+psycopg:{rest}")
    elif config.database and scheme not in {"sqlite", "postgresql+psycopg"}:
        raise InvalidArgument(
            f"--postgres-url must begin with postgresql:// (it begins with {scheme!r})"
        )
    return config
