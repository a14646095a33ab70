"""Ceph with its S3 door, RADOS Gateway: one monitor, one OSD on a file, one gateway. Not a test.

Called by `tests.stores.recipes` as `python ceph_servers.py FOLDER PORT×3 [TLS-PORT CERT KEY]`: the
ports are the monitor's two and the gateway's. Makes the cluster when the folder has none, and runs
until one of its programs ends. Users come from the environment: `CEPH_USERS`, a JSON object of
access keys and their secrets. The programs come from the system's packages (`ceph-mon`, `ceph-osd`,
`ceph-common`, `radosgw`).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw-admin")
PROGRAMS += ("radosgw",)
CONFIGURATION = """
[global]
fsid = {fsid}
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon host = {monitors}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
osd objectstore = bluestore
bluestore block size = 3221225472
bluestore block create = true
osd memory target = 1073741824
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
[client.rgw.a]
rgw data = {folder}/rgw
rgw frontends = {frontends}
"""
ALL = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")


def call(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=120)


def configure(folder: Path, ports: list[int], tls: list[str]) -> None:
    """Write the configuration; a cluster's id is kept."""
    kept = folder / "fsid"
    if not kept.exists():
        kept.write_text(str(uuid.uuid4()))
    frontends = f"beast endpoint=127.0.0.1:{ports[2]}"
    if tls:
        port, certificate, key = tls
        frontends += f" ssl_endpoint=127.0.0.1:{port} ssl_certificate={certificate}"
        frontends += f" ssl_private_key={key}"
    text = CONFIGURATION.format(
        folder=folder, fsid=kept.read_text(), monitors=monitors(ports), frontends=frontends
    )
    (folder / "ceph.conf").write_text(text)


def monitors(ports: list[int]) -> str:
    return f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"


def make_monitor(folder: Path, ports: list[int]) -> None:
    """Keys of everybody, and the monitor's empty state."""
    keyring = folder / "keyring"
    call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *ALL[:3])
    for name in ("client.admin", "client.rgw.a"):
        call("ceph-authtool", keyring, "--gen-key", "-n", name, *ALL)
    caps = ("--cap", "mon", "allow profile osd", *ALL[3:6])
    call("ceph-authtool", keyring, "--gen-key", "-n", "osd.0", *caps)
    fsid, kept = (folder / "fsid").read_text(), folder / "monmap"
    call("monmaptool", "--create", "--addv", "a", monitors(ports), "--fsid", fsid, kept)
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    call("ceph-mon", "--mkfs", "-i", "a", "--monmap", kept, "--keyring", keyring)


def make_osd(folder: Path) -> None:
    name = str(uuid.uuid4())
    call("ceph", "--connect-timeout", "60", "osd", "new", name, "0")
    call("ceph", "auth", "import", "-i", folder / "keyring")
    call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)


def make_users(users: dict[str, str]) -> None:
    for access, secret in users.items():
        keys = ("--access-key", access, "--secret-key", secret)
        call("radosgw-admin", "user", "create", "--uid", access, "--display-name", access, *keys)


def run(*command: str) -> subprocess.Popen[bytes]:
    """A program that dies with this one."""
    library = ctypes.CDLL(None)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: library.prctl(1, signal.SIGKILL),
    )


def main() -> None:
    folder, ports = Path(sys.argv[1]), [int(port) for port in sys.argv[2:5]]
    configure(folder, ports, sys.argv[5:])
    os.environ["CEPH_CONF"] = str(folder / "ceph.conf")
    new = not (folder / "mon").exists()
    if new:
        make_monitor(folder, ports)
    programs = [run("ceph-mon", "-f", "-i", "a")]
    if new:
        make_osd(folder)
    programs.append(run("ceph-osd", "-f", "-i", "0"))
    if new:
        make_users(json.loads(os.environ["CEPH_USERS"]))
    programs.append(run("radosgw", "-f", "-n", "client.rgw.a"))
    while all(program.poll() is None for program in programs):
        time.sleep(0.2)
    sys.exit("a program of Ceph has ended")


if __name__ == "__main__":
    main()
