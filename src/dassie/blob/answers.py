"""What a store's HTTP answer says. Pure: bytes in, values out; nothing is decided here.

Used by the drivers (`drivers.faults` turns an answer into an error) and by the probe. Bodies are
searched rather than parsed: a refusal may be cut short, be wrapped in a proxy's page, or be no XML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_ELEMENT = r"<(?:\w+:)?{0}(?:\s[^>]*)?>(.*?)</(?:\w+:)?{0}>"
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_MOST = 4096
"""Of a body that is no refusal in XML, only its beginning is kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a store; empty texts where it does not say."""

    status: int
    code: str = ""
    """`<Code>`, such as `NoSuchKey`."""
    message: str = ""
    """`<Message>`; of a page or a plain text, its words."""
    region: str = ""
    """`<Region>`, else the header `x-amz-bucket-region`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: str = ""
    """Beginning of the body, as it came."""
    xml: bool = False
    """It is a refusal as S3 writes it: XML with a `<Code>`."""

    @property
    def server(self) -> str:
        return self.headers.get("server", "")

    @property
    def date(self) -> datetime | None:
        """The store's clock when it answered."""
        return _http_date(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """How long the store asks to be left alone; None: it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return float(text)
        until, now = _http_date(text), self.date
        return max(0.0, (until - now).total_seconds()) if until and now else None

    def element(self, name: str) -> str:
        """Text of the first XML element `name` in the body's beginning, or nothing."""
        return _element(self.body, name)

    def words(self) -> str:
        """One line: status, code and message as the store gave them."""
        said = " ".join(str(part) for part in (self.status or "", self.code) if part)
        return ": ".join(part for part in (said, self.message) if part) or "no answer"


def parse(status: int, headers: Mapping[str, str], body: bytes | str = b"") -> Answer:
    """The answer that these parts make up."""
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    text = text[: 16 * _MOST]
    code = _element(text, "Code")
    region = _element(text, "Region") or lowered.get("x-amz-bucket-region", "")
    return Answer(
        status=status,
        code=code or lowered.get("x-ms-error-code", ""),
        message=_one_line(_element(text, "Message")) if code else _words(status, text, lowered),
        region=region,
        headers=lowered,
        body=text[:_MOST],
        xml=bool(code),
    )


def _words(status: int, text: str, headers: Mapping[str, str]) -> str:
    """What a page or a plain text says; the content of a success is none of our business."""
    if 200 <= status < 300 or "octet-stream" in headers.get("content-type", ""):
        return ""
    return _one_line(html.unescape(_MARKUP.sub(" ", text)))[:200]


def _element(text: str, name: str) -> str:
    found = re.search(_ELEMENT.format(name), text, re.DOTALL)
    return html.unescape(found.group(1)).strip() if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _http_date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
