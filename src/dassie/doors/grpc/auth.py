"""auth_v2.API and identity_v2.API with auth off; enterprise_v2.API without a licence to speak of.

Clients ask WhoAmI to find out whether there is auth at all, and `pachctl delete all` takes "not
activated" for "nothing to delete". Activation itself is not built yet, and says so.
"""

from __future__ import annotations

from typing import NoReturn

from dassie._proto.enterprise import enterprise_pb2
from dassie.doors.grpc.calls import Call, snake_case
from dassie.doors.grpc.errors import AuthNotActivated
from dassie.doors.grpc.services import SERVICES


class _Off:
    """Every method of a service answers that auth is off, but those in `unbuilt`."""

    def __init__(self, service: str, unbuilt: frozenset[str] = frozenset()) -> None:
        self._methods = {snake_case(method.name) for method in SERVICES[service].methods} - unbuilt

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name not in self._methods:
            raise AttributeError(name)
        return _not_activated


def _not_activated(_request: object, _call: Call) -> NoReturn:
    raise AuthNotActivated


def auth_off() -> object:
    return _Off("auth_v2.API", frozenset({"activate"}))


def identity_off() -> object:
    return _Off("identity_v2.API")


class EnterpriseService:
    """Nothing here needs a licence; clients ask before they show what would."""

    def get_state(self, _request: object, _call: Call) -> enterprise_pb2.GetStateResponse:
        return enterprise_pb2.GetStateResponse(state=enterprise_pb2.State.NONE)

    def pause_status(self, _request: object, _call: Call) -> enterprise_pb2.PauseStatusResponse:
        return enterprise_pb2.PauseStatusResponse(
            status=enterprise_pb2.PauseStatusResponse.PauseStatus.UNPAUSED
        )
