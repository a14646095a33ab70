"""transaction_v2.API, as far as it can be answered while there are no transactions.

`pachctl delete all` and listings ask; that there are none is then the truth. Starting one is not
built yet, and says so.
"""

from __future__ import annotations

from typing import NoReturn

from dassie._proto.transaction import transaction_pb2
from dassie.doors.grpc.calls import Call
from dassie.errors import NotFound


class TransactionService:
    def list_transaction(self, _request: object, _call: Call) -> transaction_pb2.TransactionInfos:
        return transaction_pb2.TransactionInfos()

    def inspect_transaction(
        self, request: transaction_pb2.InspectTransactionRequest, _call: Call
    ) -> NoReturn:
        raise NotFound(f"transaction {request.transaction.id} not found")

    def delete_all(self, _request: object, _call: Call) -> None:
        """Nothing to delete."""
