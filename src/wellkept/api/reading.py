"""A request's body: in time, not too large, of the right kind, strict JSON, and of the shape that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from wellkept.api.problems import Refused
from wellkept.errors import BodyUnreadable
from wellkept.serving.strict_json import parse

Shape = TypeVar("Shape", bound=BaseModel)
JSON = "application/json"
SMALL = 8 * 1024  # bytes that are parsed and validated within a millisecond
LONGEST_NAME = 64
MOST, USUAL = 100, "20"  # of a list, in one answer


async def json_body(request: Request) -> Any:
    """The body as plain data; it must be declared as JSON in UTF-8."""
    content_type(request, JSON)
    body = await read_body(request)
    async with in_line(request, body):
        return parsed(body)


@contextlib.asynccontextmanager
async def in_line(request: Request, body: bytes) -> AsyncIterator[None]:
    """Take large bodies one at a time, each in a turn of the event loop of its own, and none while too many wait.

    Who is let in goes on from here to its next wait without a break. Were all bodies of a flood taken in one turn,
    `/livez` would be answered after the last of them.
    """
    service = request.app.state.service
    if len(body) > SMALL:
        async with service.parsing:
            service.refuse_if_full()
            yield
    else:
        service.refuse_if_full()
        yield


def parsed(body: bytes) -> Any:
    """Strict JSON, or the problem that says why it is none."""
    try:
        return parse(body)
    except BodyUnreadable as error:
        raise Refused(400, error.code, error.args[0]) from None


def validated(shape: type[Shape], data: Any, **context: Any) -> Shape:
    """The data in its shape; what does not fit is told by place and rule."""
    try:
        return shape.model_validate(data, context=context, strict=True)
    except ValidationError as error:
        raise broken(_breaches(error)) from None


def broken(breaches: Iterable[tuple[str, str]]) -> Refused:
    """422 with these places and rules."""
    errors = list(breaches)
    rules = "1 rule" if len(errors) == 1 else f"{len(errors)} rules"
    return Refused(422, "validation_failed", f"the request breaks {rules}; nothing was scored or stored", errors)


def asked_for(request: Request, *names: str) -> dict[str, str]:
    """The query's parameters: none but these, each at most once."""
    given = request.query_params.multi_items()
    if any(name not in names for name, _ in given) or len({name for name, _ in given}) != len(given):
        raise broken([("/query", "unknown_parameter")])
    return dict(given)


def limit_of(asked: Mapping[str, str]) -> int:
    """How many of a list are asked for."""
    text = asked.get("limit", USUAL)
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise broken([("/query/limit", "out_of_range")])
    return int(text)


def content_type(request: Request, *kinds: str) -> str:
    """The declared media type, one of `kinds`, in UTF-8 and not compressed."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "unsupported_content_encoding", "send the body as it is, not compressed")
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = parameters.replace(" ", "").lower()
    if kind not in kinds or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise Refused(415, "unsupported_media_type", f"send {' or '.join(kinds)}, in UTF-8")
    return kind


async def read_body(request: Request) -> bytes:
    """The bytes, while they come in time and are not too many."""
    settings = request.app.state.service.settings
    if int(request.headers.get("content-length", "0")) > settings.max_body_bytes:
        raise _too_large(settings.max_body_bytes)
    parts, size, receive, more = [], 0, request.receive, True
    try:
        async with asyncio.timeout(settings.body_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "disconnected", "the client went away")
                part, more = message.get("body", b""), message.get("more_body", False)
                size += len(part)
                if size > settings.max_body_bytes:
                    raise _too_large(settings.max_body_bytes)
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "body_timeout", "the body did not come in time", headers={"connection": "close"}) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most: int) -> Refused:
    return Refused(413, "body_too_large", f"a body has at most {most} bytes", headers={"connection": "close"})


def _breaches(error: ValidationError) -> list[tuple[str, str]]:
    told = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        # the name of a field that is not ours is the client's own, and may be anybody's
        place = one["loc"][:-1] if one["type"] == "extra_forbidden" else one["loc"]
        told.append(("/" + "/".join(map(str, place)), one["type"]))
    return told
