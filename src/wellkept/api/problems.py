"""One shape for everything that goes wrong: RFC 9457 problem+json with a code, places and rules, never a value."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

SHOWN = 20
MEDIA_TYPE = "application/problem+json"


class Breach(BaseModel):
    """One rule broken in one place of the request."""

    path: str = Field(description="where: a JSON pointer, without what a client may have named itself")
    rule: str = Field(description="which rule; the message never holds what was sent")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["validation_failed"])
    detail: str = Field(examples=["the request breaks 1 rule"])
    request_id: str = Field(examples=["0f3b5a9c2d4e6f70"])
    errors: list[Breach] = []


class Refused(Exception):
    """A request that is not carried out; becomes a problem."""

    def __init__(
        self, status: int, code: str, detail: str, errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = list(errors), dict(headers or {})


def problem(request_id: str, refused: Refused) -> Response:
    """The answer to a refused request: at most a few KiB, whatever was sent."""
    body = {
        "type": "about:blank", "title": http.HTTPStatus(refused.status).phrase, "status": refused.status,
        "code": refused.code, "detail": refused.detail, "request_id": request_id,
        "errors": [{"path": path, "rule": rule} for path, rule in refused.errors[:SHOWN]],
    }  # fmt: skip
    if len(refused.errors) > SHOWN:
        body["more_errors"] = len(refused.errors) - SHOWN
    return Response(json.dumps(body), refused.status, {**refused.headers, "x-request-id": request_id},
                    media_type=MEDIA_TYPE)  # fmt: skip


def request_id(request: Request) -> str:
    """The id that the guard gave this request."""
    return request.scope["wellkept.request_id"]


def responses(*statuses: int) -> dict[int | str, dict]:
    """For the OpenAPI document: the problems that a route may answer."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": http.HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
            for status in statuses}  # fmt: skip
