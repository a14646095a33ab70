"""Which certificates botocore shall trust: it takes one file, and we mean the system's and ours.

obstore adds a `ca_file` to the system's certificates by itself.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import IO

from dassie.errors import InvalidArgument


class TrustedFile:
    """A PEM file of the system's certificates and those of `ca_file`; gone after `close`.

    `path` is None where botocore's own list is all there is. `SSL_CERT_FILE` counts as the
    system's, as it does for OpenSSL.
    """

    def __init__(self, ca_file: str = "") -> None:
        self._joined: IO[bytes] | None = None
        system = ssl.get_default_verify_paths().cafile
        self.path: str | None = system
        if not ca_file:
            return
        try:
            own = Path(ca_file).read_bytes()
        except OSError as error:
            raise InvalidArgument(f"storage ca_file {ca_file!r}: {error.strerror}") from None
        others = Path(system).read_bytes() if system else b""
        self._joined = tempfile.NamedTemporaryFile(prefix="dassie-trust-", suffix=".pem")  # noqa: SIM115
        self._joined.write(others + b"\n" + own)
        self._joined.flush()
        self.path = self._joined.name

    def close(self) -> None:
        if self._joined is not None:
            self._joined.close()
