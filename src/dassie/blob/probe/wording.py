"""Codes and words by which stores say what is wrong. Pure. Read by `probe.verdict`."""

from __future__ import annotations

import re

EXPECTING = re.compile(r"expecting\s+['\"‘“]([\w.-]+)['\"’”]")
SPEAKS_OF_CLOCK = re.compile(
    r"difference between the request time|date is too old|clock|request (has )?expired",
    re.IGNORECASE,
)
SPEAKS_OF_ROOM = re.compile(
    r"quota|storage ?full|insufficient ?storage|no space|disk full|out of space", re.IGNORECASE
)
READ_ONLY = re.compile(r"read[- _]?only|write[- ]protected|maintenance mode", re.IGNORECASE)
OTHER_SIGNATURE = re.compile(
    r"authori[sz]ation mechanism|unsupported authori[sz]ation (type|method)|signature version"
    r"|signature type|use aws4-hmac-sha256",
    re.IGNORECASE,
)
NO_SUCH_KEY = re.compile(
    r"no such (access )?key\b|unknown access key|access key.* (not exist|not found|unknown)",
    re.IGNORECASE,
)
BAD_SIGNATURE = re.compile(
    r"\b(invalid|wrong|bad) signature\b|signature.* (not|n't) match", re.IGNORECASE
)
PROXIES = re.compile(
    r"nginx|haproxy|envoy|traefik|caddy|varnish|squid|apache|cloudflare", re.IGNORECASE
)

REGION_CODES = {"InvalidRegion", "PermanentRedirect", "TemporaryRedirect"} | {
    "IllegalLocationConstraintException",
    "InvalidLocationConstraint",
    "AuthorizationQueryParametersError",
}
CHECKSUM_CODES = {"XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest"} | {
    "XAmzContentChecksumMismatch",
    "InvalidChecksum",
}
UNKNOWN_KEY_CODES = {"InvalidAccessKeyId", "NotSignedUp"}
LOCKED_CODES = {"UserSuspended", "AccountProblem", "AllAccessDisabled"}
TOKEN_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException"}
ADDRESSING_CODES = {"SecondLevelDomainForbidden", "PathStyleDomainForbidden"} | {
    "VirtualHostDomainRequired",
    "UserDisable",
}
NOT_THE_CLOCK = {"UnsupportedAlgorithm", "NoSuchBucket", "QuotaExceeded"} | CHECKSUM_CODES
THROTTLE_CODES = {"SlowDown", "RequestLimitExceeded", "TooManyRequests", "Throttling"} | {
    "ThrottlingException",
    "SlowDownRead",
    "SlowDownWrite",
    "ServerBusy",
}
