"""Who should get which step: the worklist of the last published night, and one patient's step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from wellkept.api.access import Rule
from wellkept.api.problems import Refused, responses
from wellkept.api.reading import JSON, MOST, USUAL, asked_for, broken, limit_of
from wellkept.api.service import Service
from wellkept.serving.answering import stamp
from wellkept.serving.worklists import VERSION, Worklist, roles_of

router = APIRouter(tags=["recommendations"])
HANDLE = r"^p-[a-z2-7]{26}$"
AFTER = re.compile(rf"([0-9a-f]{{{VERSION}}})\.([1-9][0-9]{{0,8}})", re.ASCII)
LONGEST_ROLE = 64


class Step(BaseModel):
    """What to do for one patient, and why: a fact in the record. Its fields are columns of the published table.

    What a step is believed to change is not told: `expected` holds only effects that chance decided.
    """

    rank: int = Field(ge=1, description="1 is what is owed or worth most")
    intervention: str = Field(description="its name in the catalogue", examples=["recovery_call"])
    title: str = Field(examples=["Service-recovery call"])
    because: str = Field(description="the fact in the record that it answers")
    script: str = Field(description="how to begin")
    roles: list[str] = Field(description="who may do it", examples=[["patient relations", "coordinator"]])
    minutes: float = Field(ge=0, description="of their time; 0 is a machine's")
    due_at: str = Field(description="by when it should be done", json_schema_extra={"format": "date-time"})
    grade: Literal["assumed", "what-if", "observational", "randomised"] = Field(description="on what evidence")
    channel: str | None = Field(description="call, text, or task: nobody is contacted; null where not recorded")
    expected: str | None = Field(description="change of each tried outcome with its interval; null where none was")
    team: str | None = Field(description="who does it today; null without a staff file, for machines, or if nobody can")
    by_interpreter: bool | None = Field(description="with an interpreter on the line; null without a staff file")
    others: list[str] = Field(description="up to two other steps that make sense, the better first")


class PatientStep(Step):
    """One patient's."""

    patient: str = Field(pattern=HANDLE)


class StepAnswer(BaseModel):
    """A patient's step, of the night that was last published."""

    as_of: str
    recommendation: PatientStep


class WorklistAnswer(BaseModel):
    """A page of the list; `next` is the `after` of the next page, null on the last one."""

    as_of: str
    recommendations: list[PatientStep]
    next: str | None


def _parameter(name: str, says: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": says, "schema": schema}


PARAMETERS = [
    _parameter("limit", "how many at most", type="integer", minimum=1, maximum=MOST, default=int(USUAL)),
    _parameter("after", "`next` of the page before", type="string", pattern=f"^{AFTER.pattern}$"),
    _parameter("role", "only what this role may do", type="string", minLength=1, maxLength=LONGEST_ROLE),
]
TOLD = {"roles": roles_of, "others": lambda text: text.split("; ") if text else [], "due_at": stamp}


@router.get(
    "/v1/recommendations", dependencies=[Depends(Rule("read"))], summary="The worklist: who should get which step",
    responses={200: {"model": WorklistAnswer}, **responses(401, 403, 404, 409, 422, 429, 503)},
    openapi_extra={"parameters": PARAMETERS},
)  # fmt: skip
async def recommendations(request: Request) -> Response:
    """The steps of the last published night, the highest rank first; who is held out of a pilot is not among them.

    A list may change between two pages: then the second is refused (409 `list_changed`), and the first is asked for
    again.
    """
    service: Service = request.app.state.service
    asked = asked_for(request, "limit", "after", "role")
    limit, after, role = limit_of(asked), _after(asked), _role(asked)
    current = service.worklists.current
    if current is None:
        raise Refused(404, "no_recommendations", "no steps are told here: `wellkept recommend`, then serve --steps DIR")
    if after and after[0] != current.version:
        raise Refused(409, "list_changed", "another list was published meanwhile: begin again, without `after`")
    rows, more = current.page(after[1] if after else 0, limit, role)
    told = [_told(service, row) for row in rows]
    await service.record(request, "recommendations", [step["patient"] for step in told], current.models)
    return _answer(current, recommendations=told, next=f"{current.version}.{rows[-1]['rank']}" if more else None)


@router.get(
    "/v1/patients/{handle}/recommendation", dependencies=[Depends(Rule("read"))], summary="What to do for a patient",
    responses={200: {"model": StepAnswer}, **responses(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
async def recommendation(request: Request, handle: str) -> Response:
    """The step of the last published night; 404 for who is on no list, and nothing says why not."""
    service: Service = request.app.state.service
    asked_for(request)
    subject, current = service.subject_of(handle), service.worklists.current
    row = current.of(subject) if current else None
    await service.record(request, "recommendation", [handle], current.models if current else ())
    if current is None or row is None:
        raise Refused(404, "no_recommendation", "no step is recommended for this patient")
    return _answer(current, recommendation=_told(service, row))


def _told(service: Service, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the service tells it: its columns that are fields of a Step, and the handle."""
    fields = {name: TOLD[name](row[name]) if name in TOLD else row[name] for name in Step.model_fields}
    return {"patient": service.handles.of(row["subject_id"]), **fields}


def _answer(current: Worklist, **told: Any) -> Response:
    return Response(json.dumps({"as_of": stamp(current.as_of), **told}), media_type=JSON)


def _after(asked: Mapping[str, str]) -> tuple[str, int] | None:
    """Which list, and the last rank that was seen of it."""
    if "after" not in asked:
        return None
    found = AFTER.fullmatch(asked["after"])
    if not found:
        raise broken([("/query/after", "no_page")])
    return found[1], int(found[2])


def _role(asked: Mapping[str, str]) -> str | None:
    role = asked.get("role")
    if role is not None and not (1 <= len(role) <= LONGEST_ROLE and role.isprintable()):
        raise broken([("/query/role", "no_role")])
    return role
