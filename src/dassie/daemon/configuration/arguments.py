"""The command line of `pachd` and its sub-commands. Made from the tables of `settings`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dassie import __version__
from dassie.daemon.configuration import settings
from dassie.daemon.configuration.settings import Setting
from dassie.daemon.configuration.sources import Layer, Said
from dassie.daemon.configuration.values import SWITCH

SERVE, CONFIG, DOCTOR = "serve", "config", "doctor"

_ALIASES: Final = {
    "--isS3V2": ("signature", "v2"),
    "--no-verify-ssl": ("insecure", "true"),
    "--disable-ssl": ("tls", "false"),
}
"""Flags of `pachctl deploy custom` that people know by heart: setting and value."""

_DESCRIPTION: Final = """\
Serve versioned data and pipelines: Pachyderm's API 2.12, on this machine.

Without any setting it keeps everything in your data folder and listens on loopback.
A flag wins over the variable in brackets, that over secret files, those over the file
of --config."""

_EPILOG: Final = """\
It prints one line when it is ready, writes pachd.log in the data folder,
and stops on SIGTERM or Ctrl-C after the running calls have ended.

`pachd config` prints every setting and where it comes from.
`pachd doctor [URL]` tries the object store and says what works. Neither needs a server."""

_STORAGE_NOTE: Final = """\
One URL says it all; what is left open is found out at start. The keys are never flags: set
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, have an AWS profile, or a secret file.
Pachyderm's own variables and its secret work too; docs/configuration.md has the list."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    command: str
    flags: Layer
    config_file: str
    output: str
    """`json`, or empty for people."""


def parse(arguments: Sequence[str], defaults: Mapping[str, Any]) -> Arguments:
    """The command line, as it is; argparse ends the process on a wrong one.

    `defaults`: values by name of the setting, for `--help`.
    """
    parsed = vars(_parser(defaults).parse_args(arguments))
    command = parsed.pop("command", None) or SERVE
    config_file = parsed.pop("config", "")
    output = parsed.pop("output", "text")
    url = parsed.pop("url", None)
    flags = {name: Said(text, f"flag {_flag_of(name)}") for name, text in parsed.items()}
    if url:
        flags["storage"] = Said(url, "flag --storage")
    return Arguments(command, flags, config_file, "" if output == "text" else output)


def _flag_of(name: str) -> str:
    known = {*settings.SERVER, *settings.ACCESS, *settings.PINS}
    return next((setting.flag for setting in known if setting.name == name), f"--{name}")


def _parser(defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    _add(common, settings.SERVER, defaults)
    common.add_argument(
        "--config", metavar="FILE", help="TOML file of the same settings [DASSIE_CONFIG]"
    )
    store = common.add_argument_group("object store", _STORAGE_NOTE)
    _add(store, (*settings.ACCESS, *settings.PINS), defaults)
    for flag, (name, text) in _ALIASES.items():
        store.add_argument(
            flag, dest=name, action="store_const", const=text, help=argparse.SUPPRESS
        )
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="pachd",
        usage="pachd [FLAG ...] [config | doctor [URL]]",
        formatter_class=style,
        parents=[common],
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pachd {__version__} (API 2.12)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="other commands")
    shown = commands.add_parser(
        CONFIG,
        parents=[common],
        formatter_class=style,
        allow_abbrev=False,
        help="print every setting, its value and where it comes from",
        description="Print the settings that pachd would start with, and where each comes from.\n"
        "Secrets are not shown.",
    )
    doctor = commands.add_parser(
        DOCTOR,
        parents=[common],
        formatter_class=style,
        allow_abbrev=False,
        help="try the object store and say what works",
        description="Try the configured object store, or the one at URL, without a server:\n"
        "what works, how fast it is, and what is wrong. Exit status 1 when it cannot be used.",
    )
    doctor.add_argument(
        "url", nargs="?", metavar="URL", default=argparse.SUPPRESS, help="instead of --storage"
    )
    for command in (shown, doctor):
        command.add_argument(
            "-o",
            "--output",
            choices=("text", "json"),
            default="text",
            help="form of what is printed",
        )
    return parser


def _add(
    to: argparse._ActionsContainer, known: Iterable[Setting], defaults: Mapping[str, Any]
) -> None:
    for setting in known:
        default = setting.default or words(setting, defaults[setting.name])
        variable = f"{setting.variable}; " if setting.variable else ""
        text = f"{setting.meaning} [{variable}default: {default}]".replace("%", "%%")
        if setting.kind == SWITCH:
            to.add_argument(
                setting.flag, dest=setting.name, action="store_const", const="true", help=text
            )
            continue
        to.add_argument(setting.flag, dest=setting.name, metavar=setting.placeholder, help=text)


def words(setting: Setting, value: Any) -> str:
    """A default value as people would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if setting.name.endswith("_bytes"):
        return f"{value >> 20}MiB"
    return f"{value:g}" if isinstance(value, float) else str(value)
