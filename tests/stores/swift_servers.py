"""OpenStack Swift with its S3 door, all of it from one process. Runs in Swift's own environment.

Called by `tests.stores.recipes` as `python swift_servers.py FOLDER LOCATION PORT×4 [TLS-PORT CERT
KEY]`: makes the rings, then forks account, container, object and proxy server. Not a test.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import traceback
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

SERVERS = ("account", "container", "object")
PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk s3api "
    "tempauth copy slo versioned_writes proxy-logging proxy-server"
)
DEFAULT = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
user = {user}
workers = 0
disable_fallocate = true
log_name = {name}
log_level = ERROR
"""
PROXY = """
[pipeline:main]
pipeline = {pipeline}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_nobody = nothing
[filter:s3api]
use = egg:swift#s3api
location = {location}
s3_acl = false
check_bucket_owner = false
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
"""
PLAIN_FILTERS = "catch_errors gatekeeper healthcheck listing_formats bulk copy slo"


def write_configuration(folder: Path, location: str, ports: list[int], tls: list[str]) -> None:
    """The servers' configuration files."""
    user = os.environ["SWIFT_USER"]
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:0]\nname = gold\ndefault = yes\n"
    )
    for name, port in zip(SERVERS, ports, strict=False):
        text = DEFAULT.format(name=name, port=port, folder=folder, user=user)
        text += f"[pipeline:main]\npipeline = {name}-server\n"
        text += f"[app:{name}-server]\nuse = egg:swift#{name}\nfsync_dir = false\n"
        (folder / f"{name}.conf").write_text(text)
    proxy = PROXY.format(pipeline=PIPELINE, location=location)
    proxy += "[filter:proxy-logging]\nuse = egg:swift#proxy_logging\n"
    proxy += "".join(f"[filter:{n}]\nuse = egg:swift#{n}\n" for n in PLAIN_FILTERS.split())
    text = DEFAULT.format(name="proxy", port=ports[3], folder=folder, user=user)
    (folder / "proxy.conf").write_text(text + proxy)
    if tls:
        port, certificate, key = tls
        text = DEFAULT.format(name="proxy-tls", port=port, folder=folder, user=user)
        text += f"cert_file = {certificate}\nkey_file = {key}\n"
        (folder / "proxy-tls.conf").write_text(text + proxy)


def build_rings(folder: Path, ports: list[int]) -> None:
    """One replica on one device, for each kind of server."""
    from swift.common.ring import RingBuilder  # type: ignore[import-not-found]

    for name, port in zip(SERVERS, ports, strict=False):
        target = folder / f"{name}.ring.gz"
        if target.exists():
            continue
        ring = RingBuilder(4, 1, 0)
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1"}
        ring.add_dev({**device, "weight": 1.0, "meta": "", **_replication(port)})
        ring.rebalance()
        ring.get_ring().save(str(target))


def _replication(port: int) -> dict[str, Any]:
    return {"replication_ip": "127.0.0.1", "replication_port": port}


def serve(folder: Path, name: str) -> int:
    """One server, in a child of its own."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    from swift.common.wsgi import run_wsgi  # type: ignore[import-not-found]

    if hasattr(_utils(), "monkey_patch"):
        _utils().monkey_patch()
    kind = name.partition("-")[0]
    options: dict[str, Any] = {}
    if kind == "object":
        from swift.obj import server  # type: ignore[import-not-found]

        options["global_conf_callback"] = server.global_conf_callback
    return int(run_wsgi(str(folder / f"{name}.conf"), f"{kind}-server", **options) or 0)


def _stand_in_for_netifaces() -> None:
    """What older versions ask of a package that has no wheels: the addresses of this machine."""
    module: Any = types.ModuleType("netifaces")
    module.interfaces = lambda: ["lo"]
    module.ifaddresses = lambda _name: {socket.AF_INET: [{"addr": "127.0.0.1"}]}
    module.AF_INET, module.AF_INET6 = socket.AF_INET, socket.AF_INET6
    sys.modules["netifaces"] = module
    with suppress(ImportError):
        import pkg_resources  # type: ignore[import-not-found]

        distribution = pkg_resources.Distribution(project_name="netifaces", version="0.11.0")
        pkg_resources.working_set.add(distribution)


def _utils() -> Any:
    from swift.common import utils  # type: ignore[import-not-found]

    return utils


def main() -> None:
    _stand_in_for_netifaces()
    folder, location = Path(sys.argv[1]), sys.argv[2]
    ports = [int(text) for text in sys.argv[3:7]]
    (folder / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    write_configuration(folder, location, ports, sys.argv[7:10])
    # Older versions read /etc/swift/swift.conf unless told otherwise in the process itself.
    _utils().SWIFT_CONF_FILE = str(folder / "swift.conf")
    build_rings(folder, ports)
    names = [*SERVERS, "proxy", *(["proxy-tls"] if sys.argv[7:] else [])]
    # What all of them need is imported once, before the fork.
    import swift.common.wsgi  # type: ignore[import-not-found]
    import swift.proxy.server  # type: ignore[import-not-found]  # noqa: F401

    children: dict[int, str] = {}
    for name in names:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = serve(folder, name)
            except BaseException:  # noqa: BLE001 - a child must not run on into the loop
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        children[pid] = name
    pid, status = os.wait()  # none of them ends by itself: then something is wrong
    sys.exit(f"the {children[pid]} server ended with status {status}")


if __name__ == "__main__":
    main()
