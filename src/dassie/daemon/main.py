"""`pachd`: read the configuration, hold the folder, serve until told to stop.

`pachd config` and `pachd doctor` do something else with the same configuration.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from dassie.daemon import config as configuration
from dassie.daemon.configuration.arguments import CONFIG, DOCTOR
from dassie.daemon.lock import FolderLock
from dassie.daemon.memory import share_one_heap
from dassie.daemon.privacy import keep_memory_private
from dassie.errors import DassieError

if TYPE_CHECKING:
    from dassie.daemon.wiring import Daemon

_log = logging.getLogger(__name__)

EXIT_FAILURE, EXIT_USAGE = 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the command; returns the exit status."""
    share_one_heap()
    gc.disable()  # imports leave no garbage, and its passes were an eighth of the start
    try:
        loaded = configuration.load(sys.argv[1:] if arguments is None else arguments, os.environ)
    except DassieError as error:
        print(f"pachd: {error}", file=sys.stderr)
        return EXIT_USAGE
    if loaded.command == CONFIG:
        return _show(loaded)
    for warning in loaded.warnings:
        print(f"pachd: warning: {warning}", file=sys.stderr, flush=True)
    if loaded.command == DOCTOR:
        from dassie.daemon.doctor import run

        return run(loaded.config.storage, loaded.output)
    return _start(loaded)


def _show(loaded: configuration.Loaded) -> int:
    from dassie.daemon.configuration import report

    print(report.as_json(loaded) if loaded.output else report.as_text(loaded))
    return 0


def _start(loaded: configuration.Loaded) -> int:
    """Hold the folder and serve."""
    config = loaded.config
    if config.storage.secret_key:
        keep_memory_private()  # user code without a sandbox could read the environment
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FolderLock(config.data) as lock:
            _start_log(config)
            for warning in loaded.warnings:
                _log.warning("%s", warning)
            return asyncio.run(_serve(config, lock))
    except DassieError as error:
        print(f"pachd: {error}", file=sys.stderr)
    except OSError as error:
        print(f"pachd: cannot use the data folder {config.data}: {error}", file=sys.stderr)
    return EXIT_FAILURE


async def _serve(config: configuration.Config, lock: FolderLock) -> int:
    """Everything between the lock and the exit status."""
    # After --help and a held folder, which need none of it.
    from dassie.daemon import storage
    from dassie.daemon.wiring import Daemon

    _spare_the_collector()
    stop, stopping = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        profile = await asyncio.to_thread(
            storage.prepare,
            config.storage,
            config.data / storage.PROFILE_FILE,
            wait_s=config.storage_wait,
            stopping=stopping,
        )
    except storage.Stopped:
        return 0
    daemon = await asyncio.to_thread(Daemon, config, profile)
    try:
        port = await daemon.start()
        address = f"{config.host}:{port}"
        lock.announce(address)
        print(f"pachd listens on {address} (data in {config.data})", flush=True)
        _log.info("listening on %s", address)
        await stop.wait()
        _log.info("stopping: no new calls; up to %.0f s for running ones", config.stop_grace)
    finally:
        await _stop(daemon)
    return 0


def _spare_the_collector() -> None:
    """Have Python's cycle collector pass over the modules, and look less often as files stream."""
    gc.freeze()
    gc.set_threshold(25_000, 20, 20)
    gc.enable()


async def _stop(daemon: Daemon) -> None:
    await daemon.stop()
    _log.info("stopped")


def _start_log(config: configuration.Config) -> None:
    handler = logging.handlers.RotatingFileHandler(
        config.data / "pachd.log", maxBytes=16 << 20, backupCount=4, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("dassie").setLevel(config.log_level.upper())


if __name__ == "__main__":
    sys.exit(main())
