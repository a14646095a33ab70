"""How each store is started. Called by `tests.stores.start`; says what is missing where one is not
installed (`make` installs them, each into an environment of its own)."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.stores import ceph_servers
from tests.stores.ca import Certificate, TestCA
from tests.stores.processes import LOOPBACK, NotStarted, Program, answers, free_ports
from tests.stores.running import RunningStore

ENVIRONMENTS = Path(sys.prefix) / "stores"
ACCESS_KEY, SECRET_KEY = "AKTEST", "SKTEST123456"
LOCATION = "z1-a"
"""The region of every store that enforces one."""
ATTEMPTS = 3


def _program(name: str, program: str) -> Path:
    return ENVIRONMENTS / name / "bin" / program


def _servers(certificate: Certificate | None) -> list[str]:
    return [str(certificate.certificate), str(certificate.key)] if certificate else []


def _swift(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """OpenStack Swift with s3api: what SwiftStack sells. Enforces its region."""
    ports = free_ports(5)
    script = Path(__file__).with_name("swift_servers.py")
    tls = [str(ports[4]), *_servers(certificate)] if certificate else []
    command = [_program(name, "python"), script, folder, LOCATION, *map(str, ports[:4]), *tls]
    user = pwd.getpwuid(os.getuid()).pw_name
    program = Program(command, folder / "log", {"SWIFT_USER": user, "SWIFT_DIR": str(folder)})
    program.wait(lambda: all(answers(port, path="/healthcheck") for port in ports[:4]))
    store = RunningStore(
        name, f"http://{LOOPBACK}:{ports[3]}", "test:tester", "testing", region=LOCATION
    )
    store = replace(store, other_keys={"nobody": ("test:nobody", "nothing")})
    if certificate:
        program.wait(lambda: answers(ports[4], tls=True, path="/healthcheck"))
    return _with_twin(store, program, folder, ports[4] if certificate else 0)


def _seaweedfs(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """SeaweedFS: fast, any region, both signatures; creates a missing bucket when one writes."""
    rights = {
        ACCESS_KEY: ["Admin", "Read", "Write", "List", "Tagging"],
        "READER": ["Read", "List"],
        "NOLIST": ["Read", "Write"],
    }
    identities = [
        {
            "name": key.lower(),
            "credentials": [{"accessKey": key, "secretKey": SECRET_KEY}],
            "actions": actions,
        }
        for key, actions in rights.items()
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir(exist_ok=True)
    ports = dict(zip(_WEED_PORTS, free_ports(len(_WEED_PORTS)), strict=True))
    options = [f"-{flag}={port}" for flag, port in ports.items() if flag != "s3.port.https"]
    if certificate:
        options.append(f"-s3.port.https={ports['s3.port.https']}")
        options += [f"-s3.cert.file={certificate.certificate}", f"-s3.key.file={certificate.key}"]
    command = [_program(name, "weed"), "server", *_WEED_OPTIONS, f"-dir={folder}/data", *options]
    program = Program([*command, f"-s3.config={folder}/s3.json"], folder / "log")
    program.wait(lambda: answers(ports["s3.port"], path="/status"))
    store = RunningStore(name, f"http://{LOOPBACK}:{ports['s3.port']}", ACCESS_KEY, SECRET_KEY)
    others = {key.lower(): (key, SECRET_KEY) for key in rights if key != ACCESS_KEY}
    store = replace(store, other_keys=others)
    return _with_twin(store, program, folder, ports["s3.port.https"] if certificate else 0)


_WEED_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_WEED_PORTS += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc", "s3.port.https")
_WEED_OPTIONS = ("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3")
_WEED_OPTIONS += ("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false")
_WEED_OPTIONS += ("-volume.max=300", "-master.volumeSizeLimitMB=128", "-master.electionTimeout=1s")


def _rclone(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """rclone serve s3 over a folder: signature V4 only, ignores conditions of a PUT."""
    (port,) = free_ports(1)
    (folder / "data").mkdir(exist_ok=True)
    command = [_program(name, "rclone"), "serve", "s3", "--addr", f"{LOOPBACK}:{port}"]
    command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "writes"]
    command += ["--cache-dir", folder / "cache", "--config", os.devnull]
    if certificate:
        command += ["--cert", certificate.certificate, "--key", certificate.key]
    program = Program([*command, folder / "data"], folder / "log")
    program.wait(lambda: answers(port, tls=certificate is not None))
    scheme = "https" if certificate else "http"
    store = RunningStore(name, f"{scheme}://{LOOPBACK}:{port}", ACCESS_KEY, SECRET_KEY, v2=False)
    return replace(store, program=program, folder=folder, tls=certificate is not None)


def _minio(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """A current MinIO server that enforces its region."""
    (port,) = free_ports(1)
    certificates = folder / "certs"
    certificates.mkdir(exist_ok=True)
    if certificate:
        shutil.copy(certificate.certificate, certificates / "public.crt")
        shutil.copy(certificate.key, certificates / "private.key")
    command = [_program(name, "minio"), "server", "--address", f"{LOOPBACK}:{port}", "--quiet"]
    command += ["--certs-dir", certificates, folder / "data"]
    environment = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
    environment |= {"MINIO_REGION": LOCATION, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    program = Program(command, folder / "log", environment)
    health = "/minio/health/ready"
    program.wait(lambda: answers(port, tls=certificate is not None, path=health, below=300))
    scheme = "https" if certificate else "http"
    store = RunningStore(name, f"{scheme}://{LOOPBACK}:{port}", ACCESS_KEY, SECRET_KEY, LOCATION)
    return replace(store, program=program, folder=folder, tls=certificate is not None)


def _versitygw(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """VersityGW over a folder: enforces its region, signature V4 only."""
    (port,) = free_ports(1)
    (folder / "data").mkdir(exist_ok=True)
    command = [_program(name, "versitygw"), "--port", f"{LOOPBACK}:{port}", "--quiet"]
    command += ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", LOCATION]
    if certificate:
        command += ["--cert", certificate.certificate, "--key", certificate.key]
    command += ["posix", "--sidecar", folder / "meta", folder / "data"]
    (folder / "meta").mkdir(exist_ok=True)
    program = Program(command, folder / "log")
    program.wait(lambda: answers(port, tls=certificate is not None))
    scheme = "https" if certificate else "http"
    store = RunningStore(name, f"{scheme}://{LOOPBACK}:{port}", ACCESS_KEY, SECRET_KEY, LOCATION)
    return replace(store, program=program, folder=folder, tls=certificate is not None, v2=False)


def _ceph(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """Ceph's RADOS Gateway on a cluster of one OSD: any region, both signatures."""
    ports = free_ports(4)
    keys = {ACCESS_KEY: SECRET_KEY, "NOBODY1": SECRET_KEY}
    script = Path(__file__).with_name("ceph_servers.py")
    tls = [str(ports[3]), *_servers(certificate)] if certificate else []
    command = [sys.executable, script, folder, *map(str, ports[:3]), *tls]
    program = Program(command, folder / "log", {"CEPH_USERS": json.dumps(keys)})
    program.wait(lambda: answers(ports[2]))
    store = RunningStore(name, f"http://{LOOPBACK}:{ports[2]}", ACCESS_KEY, SECRET_KEY)
    store = replace(store, other_keys={"nobody": ("NOBODY1", SECRET_KEY)})
    return _with_twin(store, program, folder, ports[3] if certificate else 0)


def _garage(name: str, folder: Path, certificate: Certificate | None) -> RunningStore:
    """One node of Garage: enforces its region, signature V4 only, keys of its own form, no TLS."""
    assert certificate is None
    rpc, port = free_ports(2)
    access, nobody, secret = "GK" + "1" * 24, "GK" + "4" * 24, "2" * 64
    configuration = folder / "garage.toml"
    configuration.write_text(
        f"""metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "{LOOPBACK}:{rpc}"
rpc_public_addr = "{LOOPBACK}:{rpc}"
rpc_secret = "{"3" * 64}"
[s3_api]
s3_region = "{LOCATION}"
api_bind_addr = "{LOOPBACK}:{port}"
"""
    )
    garage = ["garage", "--config", str(configuration)]
    program = Program([*garage, "server"], folder / "log")
    program.wait(lambda: answers(port))

    def tell(*words: str) -> str:
        done = subprocess.run([*garage, *words], capture_output=True, text=True, check=True)
        return done.stdout

    node = tell("node", "id", "--quiet").partition("@")[0]
    tell("layout", "assign", "--zone", "z1", "--capacity", "3G", node)
    tell("layout", "apply", "--version", "1")
    for key in (access, nobody):
        tell("key", "import", "--yes", key, secret)
    tell("key", "allow", "--create-bucket", access)
    store = RunningStore(name, f"http://{LOOPBACK}:{port}", access, secret, LOCATION)
    tell("bucket", "create", store.bucket)  # by S3, only the key that made it would know its name
    tell("bucket", "allow", "--read", "--write", "--owner", "--key", access, store.bucket)
    others = {"nobody": (nobody, secret)}
    return replace(store, program=program, folder=folder, v2=False, other_keys=others)


def _with_twin(store: RunningStore, program: Program, folder: Path, port: int) -> RunningStore:
    """`store`, over TLS when it has a second `port` for that; its twin is the other one."""
    plain = replace(store, program=program, folder=folder)
    if not port:
        return plain
    return replace(plain, endpoint=f"https://{LOOPBACK}:{port}", tls=True, twin=plain)


@dataclass(frozen=True)
class Recipe:
    """One kind of store."""

    start: Callable[[str, Path, Certificate | None], RunningStore]
    program: str = ""
    """In the store's environment."""
    system: tuple[str, ...] = ()
    """Programs that come from elsewhere, found on PATH."""
    both: bool = False
    """Whether one instance serves plain HTTP and TLS."""
    tls: bool = True
    """Whether it can speak TLS by itself."""


RECIPES = {
    "swift": Recipe(_swift, "swift-proxy-server", both=True),
    "swift-old": Recipe(_swift, "swift-proxy-server", both=True),
    "seaweedfs": Recipe(_seaweedfs, "weed", both=True),
    "rclone": Recipe(_rclone, "rclone"),
    "minio": Recipe(_minio, "minio"),
    "versitygw": Recipe(_versitygw, "versitygw"),
    "ceph": Recipe(_ceph, system=ceph_servers.PROGRAMS, both=True),
    "garage": Recipe(_garage, system=("garage",), tls=False),
}


def start(name: str, folder: Path, *, tls: TestCA | None = None) -> RunningStore:
    """Start a store with its state in `folder`, its bucket made; over TLS when there is an
    authority to sign its certificate. Stop it with `store.program.stop()`."""
    if name == "hostile":
        from tests.stores.hostile import start_hostile

        return start_hostile(tls)[0]
    recipe = RECIPES[name]
    if not installed(name):
        raise NotStarted(f"{name} is not installed in {ENVIRONMENTS / name}: make test-stores")
    certificate = tls.good() if tls else None
    for attempt in range(1, ATTEMPTS + 1):
        place = folder / f"try-{attempt}"
        place.mkdir(parents=True)
        try:
            store = recipe.start(name, place, certificate)
            break
        except NotStarted:
            # Another process may have taken a port between our look and the start.
            if attempt == ATTEMPTS:
                raise
    ca_file = str(tls.file) if tls else ""
    store = replace(store, ca_file=ca_file)
    client = store.client(retries={"max_attempts": 10})
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=store.bucket)
    return store


def installed(name: str) -> bool:
    recipe = RECIPES[name]
    if recipe.system:
        return all(shutil.which(one) for one in recipe.system)
    return _program(name, recipe.program).exists()
