"""What obstore's exceptions say. Pure: their text is all there is of the store's answer.

The library puts status and body of a refusal into the message (headers are lost, so no
Retry-After), and the chain of transport errors into a Rust debug print after it.
"""

from __future__ import annotations

import re

from dassie.blob.answers import Answer, parse

_ANSWER = re.compile(
    r"Server returned non-2xx status code: (\d{3})[^:\n]*: (.*?)(?:\n\nDebug source:|\Z)", re.DOTALL
)
_WITH_ERROR = re.compile(
    r"Server returned error response: (.*?)(?:\n\nDebug source:|\Z)", re.DOTALL
)
_DELETE = re.compile(r"DeleteFailed \{\s*path: \"(.*?)\",\s*code: \"(.*?)\",\s*message: \"(.*?)\"")
_AZURE_DELETE = re.compile(
    r"Bulk delete request failed for key .*?: (.*?)\s*\(code: (\d{3})\)", re.DOTALL
)
_TOKEN = re.compile(r"performing token request: (.*?)(?:\n|\Z)", re.IGNORECASE)
_REDIRECT = "redirect without LOCATION"
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+)")
_KIND = re.compile(r"HttpError \{\s*kind: (\w+)")
_QUOTED = re.compile(r"(?:message: |\s)\"([^\"\n]{3,120})\"")
_NO_BODY = "No Body"
_ENDS = {
    "IncompleteBody": "the answer ended too early",
    "IncompleteMessage": "the connection was closed before an answer came",
    "ChannelClosed": "the connection was closed before an answer came",
}
"""Ends of a connection that the library has no words for, by its names for them."""

CERTIFICATES = {
    "BadSignature": "its signature is wrong",
    "CaUsedAsEndEntity": "it is a self-signed CA certificate used as the server's own",
    "Expired": "it has expired",
    "ExpiredContext": "it has expired",
    "NotValidForName": "it is for another host name",
    "NotValidForNameContext": "it is for another host name",
    "NotValidYet": "it is not valid yet",
    "NotValidYetContext": "it is not valid yet",
    "UnknownIssuer": "its issuer is not trusted: give its CA certificate as ca_file",
}
"""Why the TLS library refuses a certificate, by its name for it."""


def answer_of(text: str) -> Answer | None:
    """The store's answer inside an exception's text, or None: the store gave none."""
    found = _ANSWER.search(text)
    if found:
        body = "" if found.group(2).strip() == _NO_BODY else found.group(2)
        return parse(int(found.group(1)), {}, body)
    found = _WITH_ERROR.search(text)
    if found:  # a 200 whose body is an error: only when an upload is completed
        return parse(500, {}, found.group(1))
    found = _DELETE.search(text)
    if found:
        return Answer(200, code=found.group(2), message=found.group(3), xml=True)
    found = _AZURE_DELETE.search(text)
    if found:
        missing = found.group(2) == "404" and "container" not in found.group(1)
        code = "BlobNotFound" if missing else ""
        return Answer(int(found.group(2)), code=code, message=found.group(1), xml=missing)
    if _REDIRECT in text:
        return Answer(301, code="PermanentRedirect", message="it sends us to another endpoint")
    return None


def token_fault(text: str) -> str:
    """Why there is no access token for the store, or nothing: the store was asked."""
    found = _TOKEN.search(text)
    return found.group(1) if found else ""


def certificate_fault(text: str) -> str:
    """Name of what is wrong with the server's certificate, or nothing."""
    found = _CERTIFICATE.search(text)
    return found.group(1) if found else ""


def transport_words(text: str) -> str:
    """One line on why no answer came."""
    name = certificate_fault(text)
    if name:
        return f"the certificate is refused: {CERTIFICATES.get(name, name)}"
    head, _, debug = text.partition("\n\nDebug source:")
    kind = _KIND.search(debug)
    if kind and kind.group(1) == "Timeout":
        return "no answer in time"
    said = [words for words in _QUOTED.findall(debug) if not words.startswith(("S3", "http"))]
    said += [words for name, words in _ENDS.items() if re.search(rf"\b{name}\b", debug)]
    reason = ": ".join(dict.fromkeys(said)) if kind else ""
    short = head.rpartition(" - ")[2] or head
    return " ".join((f"{short} ({reason})" if reason else short).split())[:300]
