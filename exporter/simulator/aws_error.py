"""What AWS answers instead of a result."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.model import OperationModel, StructureShape

HIDDEN = ("AccessDeniedException", "ValidationException")
"""What AWS says of something that does not exist where it has no word for that."""


class AwsError(Exception):
    """An error that the client gets to see.

    `status` is the HTTP status; left out, it is what the operation's model says, else 400.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def status_of(self, operation: OperationModel | None) -> int:
        """Return the HTTP status of this error as an answer of `operation`."""
        if self.status is not None:
            return self.status
        declared = {shape.name: shape.metadata.get("error", {}) for shape in _errors(operation)}
        status: int = declared.get(self.code, {}).get("httpStatusCode", 400)
        return status


def invalid(message: str) -> AwsError:
    """Return the error of a request that its operation's shape does not allow."""
    return AwsError("ValidationException", message)


def unknown_operation() -> AwsError:
    """Return the error of a request that leads to no operation."""
    return AwsError("UnknownOperationException", "The requested operation is not recognized by the service.", 404)


def not_found(operation: OperationModel, message: str, otherwise: Sequence[str] = HIDDEN) -> AwsError:
    """Return the error for something that does not exist, in the words that `operation` declares.

    An operation that declares none of them answers with the last of `otherwise`.
    """
    declared = [shape.name for shape in _errors(operation)]
    named = (code for word in ("ResourceNotFound", "NotFound", *otherwise) for code in declared if word in code)
    return AwsError(next(named, otherwise[-1]), message)


def _errors(operation: OperationModel | None) -> list[StructureShape]:
    shapes: list[StructureShape] = operation.error_shapes if operation else []
    return shapes
