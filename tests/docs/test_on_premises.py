"""The commands of docs/on-premises run against real stores and print what the pages say.

A page names example hosts, keys and files; each stands for one of the stores that the tests start.
Blocks marked `console` are executed, all others are not.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dassie.daemon.configuration.settings import ACCESS, CREDENTIALS, PINS, SERVER
from tests.docs.console import Shell, steps
from tests.stores import RunningStore
from tests.stores.fixtures import Stores
from tests.stores.processes import free_ports

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "on-premises"
BUCKET = "lab-data"
HOSTS = {
    "swift.lab.example:8080": ("swift", False),
    "weed.lab.example:8333": ("seaweedfs", False),
    "store.lab.example:8443": ("seaweedfs", True),
    "gateway.lab.example:8080": ("rclone", False),
    "minio.lab.example:9000": ("minio", True),
    "rgw.lab.example": ("ceph", True),
    "garage.lab.example:3900": ("garage", False),
}
"""Example hosts: which store, and whether over TLS."""
KEYS = ("LAB-KEY", "LAB-SECRET")
SWIFT_KEYS = ("lab:pachd", "LAB-SWIFT-SECRET")
CA_FILE = "/etc/dassie/lab-ca.pem"
PAGES = sorted(page.name for page in FOLDER.glob("*.md") if steps(page))


@dataclass
class Stage:
    """What the examples of one page stand for."""

    real: dict[str, str] = field(default_factory=dict)
    """By what the page says."""

    def add(self, host: str, store: RunningStore, ca_file: Path) -> None:
        self.real[host] = store.address
        keys = SWIFT_KEYS if store.name.startswith("swift") else KEYS
        self.real |= dict(zip(keys, (store.access_key, store.secret_key), strict=True))
        self.real[CA_FILE] = str(ca_file)

    def acted(self, text: str) -> str:
        """Of the page, as it is run."""
        for example, real in self.real.items():
            text = text.replace(example, real)
        return text

    def told(self, text: str) -> str:
        """Of the run, as the page has it."""
        for example, real in self.real.items():
            text = text.replace(real, example)
        return text


def same_words(printed: str, expected: str) -> bool:
    """Whether the page shows what was printed; real names make lines break elsewhere.

    `…` stands for anything, on a line of its own or within one.
    """
    wanted = "…".join(" ".join(part.split()) for part in expected.split("…"))
    pattern = r" ?.*? ?".join(re.escape(part.strip()) for part in wanted.split("…"))
    return re.fullmatch(pattern, " ".join(printed.split())) is not None


@pytest.fixture(scope="module")
def bucket_of(stores: Stores) -> Callable[[str, bool], RunningStore]:
    """A store with the bucket of the examples in it."""
    made: set[str] = set()

    def find(name: str, tls: bool) -> RunningStore:
        store = stores.get(name, tls=tls)
        if name not in made:
            store.new_bucket(BUCKET)
            made.add(name)
        return store

    return find


@pytest.mark.stores
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_page(
    page: str,
    tmp_path: Path,
    stores: Stores,
    bucket_of: Callable[[str, bool], RunningStore],
) -> None:
    commands = "\n".join(step.command for step in steps(FOLDER / page))
    if "openssl" in commands and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    stage = Stage()
    for host, (name, tls) in HOSTS.items():
        if host in commands:
            stage.add(host, bucket_of(name, tls), stores.ca.file)
    port = free_ports(1)[0]
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PORT": str(port)}
    env |= {"PACHD_ADDRESS": f"localhost:{port}", "PACH_CONFIG": str(tmp_path / "config.json")}
    shell = Shell(tmp_path, env)
    try:
        for step in steps(FOLDER / page):
            printed, status = shell.send(stage.acted(step.command))
            printed = stage.told(printed)
            talk = (tmp_path / "talk").read_text()[-1500:]
            assert status == 0, f"$ {step.command}\nexit status {status}\n{printed}\n{talk}"
            expected = "\n".join(step.expected)
            assert same_words(printed, expected), f"$ {step.command}\n{printed}\n≠\n{expected}"
    finally:
        shell.close()


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: str(page.name))
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {
        name
        for setting in (*SERVER, *ACCESS, *PINS, *CREDENTIALS)
        for name in (setting.flag, setting.variable)
    }
    named = re.findall(r"--(?:storage|gc|adopt|postgres)[\w-]*|\bDASSIE_\w+", page.read_text())
    assert set(named) <= known
