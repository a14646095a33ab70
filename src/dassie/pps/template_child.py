"""The process in which `templates` runs jsonnet: one order on stdin, one document on stdout."""

from __future__ import annotations

import json
import resource
import sys
from typing import Final, NoReturn

_MEMORY_BYTES: Final = 1 << 30
_CPU_S: Final = 10
_MAX_RESULT: Final = 4 << 20


def main() -> int:
    """Exit status 1, with one reason on stderr, when there is no document."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import rjsonnet

    order = json.load(sys.stdin)
    try:
        rendered = rjsonnet.evaluate_snippet(
            "template",
            order["template"],
            tla_vars=order["arguments"],
            import_callback=_refuse_import,
        )
    except RuntimeError as error:
        print(" ".join(str(error).split())[:2000], file=sys.stderr)
        return 1
    if len(rendered) > _MAX_RESULT:
        print(f"the document has more than {_MAX_RESULT} characters", file=sys.stderr)
        return 1
    print(rendered)
    return 0


def _refuse_import(_folder: str, name: str) -> NoReturn:
    raise RuntimeError(f"import of {name!r}: templates cannot import files")


if __name__ == "__main__":
    sys.exit(main())
