"""The errors that the simulated AWS returns."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.model import OperationModel, StructureShape

HIDDEN = ("AccessDeniedException", "ValidationException")
"""How a service that declares no "not found" error refuses a resource that does not exist, best first."""


class AwsError(Exception):
    """An error response.

    `status` is the HTTP status; None means the one that the operation's model declares for the code, else 400.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def status_of(self, operation: OperationModel | None) -> int:
        """Return the HTTP status of this error as a response of `operation`."""
        if self.status is not None:
            return self.status
        declared = {shape.name: shape.metadata.get("error", {}) for shape in _errors(operation)}
        status: int = declared.get(self.code, {}).get("httpStatusCode", 400)
        return status


def invalid(message: str) -> AwsError:
    """Return the error for a request that its operation's shape does not allow."""
    return AwsError("ValidationException", message)


def not_found(operation: OperationModel, message: str, otherwise: Sequence[str] = HIDDEN) -> AwsError:
    """Return the error for a resource that does not exist, with a code that `operation` declares.

    An operation that declares none of them gets the last of `otherwise`.
    """
    declared = [shape.name for shape in _errors(operation)]
    matching = (code for word in ("ResourceNotFound", "NotFound", *otherwise) for code in declared if word in code)
    return AwsError(next(matching, otherwise[-1]), message)


def _errors(operation: OperationModel | None) -> list[StructureShape]:
    shapes: list[StructureShape] = operation.error_shapes if operation else []
    return shapes
