"""What requests look like. Fields that are not here are refused; times carry their offset; nothing is guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from wellkept.contracts import LARGEST_NUMBER
from wellkept.store import micros

INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
SKEW = timedelta(minutes=5)
FARTHEST = timedelta(hours=14)
MOST_EVENTS = 5_000
NO_CONTROL = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def instant(text: str, info: ValidationInfo) -> str:
    """A moment of RFC 3339 with its offset, not before 1900 and at most five minutes ahead of the clock."""
    if not INSTANT.fullmatch(text):
        raise PydanticCustomError("time_format", "a time is written 2026-01-05T09:00:00-05:00")
    try:
        moment = datetime.fromisoformat(text)
        offset = moment.utcoffset()
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("no_such_time", "there is no such moment") from None
    if offset is None or abs(offset) > FARTHEST:
        raise PydanticCustomError("no_such_time", "there is no such moment")
    if moment < EARLIEST:
        raise PydanticCustomError("too_long_ago", "it lies before 1900")
    if info.context and moment > info.context["now"] + SKEW:
        raise PydanticCustomError("future_event", "it has not happened yet")
    return text


def moment_of(text: str) -> int:
    """Microseconds since 1970 of an `instant`."""
    return micros(datetime.fromisoformat(text))


Instant = Annotated[str, AfterValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _./:;,%()+#&-]{0,199}$")]
Site = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_CONTROL)]
Word = Annotated[str, Field(min_length=1, max_length=4000, pattern=NO_CONTROL)]
Value = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]


class Strict(BaseModel):
    """A shape that has nothing beside its fields."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Event(Strict):
    """One thing that happened, as in MEDS."""

    code: Code = Field(description="touchpoint and kind", examples=["CALL//HOLD"])
    time: Instant | None = Field(description="when it became known; null for what was always known")
    event_at: Instant | None = Field(None, description="when it happened; by default when it became known")
    number: Value | None = None
    text: Word | None = None
    encounter_id: Name | None = None
    site: Word | None = None
    clinician: Name | None = None

    @model_validator(mode="after")
    def _known_after(self) -> Self:
        happened, known = self.event_at, self.time
        if happened and (known is None or moment_of(happened) > moment_of(known)):
            raise PydanticCustomError("known_before_happened", "an event cannot be known before it happens")
        return self

    def plain(self) -> dict[str, Any]:
        """Times in microseconds, the rest as it is."""
        known = moment_of(self.time) if self.time else None
        happened = moment_of(self.event_at) if self.event_at else known
        return {"code": self.code, "known": known, "happened": happened, "value": self.number, "text": self.text,
                "encounter_id": self.encounter_id, "site": self.site, "clinician": self.clinician}  # fmt: skip


class Patient(Strict):
    """Whom to score: by `features`, by `events`, or, with a handle and neither, by what is stored."""

    patient: Name = Field(description="a handle of ours, or any name of yours that says nothing", examples=["case-17"])
    as_of: Instant | None = Field(None, description="the moment at which the risk is stated; by default now")
    features: dict[str, Any] | None = Field(None, description="see /v1/features; what is absent is not known")
    events: list[Event] | None = Field(None, max_length=MOST_EVENTS)
    journey: Literal["whole", "new"] = Field(
        "whole", description="are the events all that happened, or new ones beside what is stored (needs a handle)")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.features is not None and self.events is not None:
            raise PydanticCustomError("features_or_events", "a patient is scored by features or by events")
        return self


class ScoreRequest(Strict):
    """Risks, please."""

    patients: list[Patient] = Field(min_length=1)
    targets: list[Name] | None = Field(None, min_length=1, description="by default every model in service")
    explain: Literal["none", "reasons", "full"] = "reasons"
    top: int = Field(5, ge=1, le=20, description="how many reasons at most")

    @model_validator(mode="after")
    def _nobody_twice(self) -> Self:
        if len({p.patient for p in self.patients}) != len(self.patients):
            raise PydanticCustomError("duplicate_patient", "a patient is asked for once")
        return self


class LiveEvent(Event):
    """An event of a patient that has just become known."""

    patient: Name = Field(description="the handle")
    time: Instant = Field(description="when it became known")
    site: Site | None = None


class EventsRequest(Strict):
    """Events to keep."""

    events: list[LiveEvent] = Field(min_length=1, max_length=MOST_EVENTS)


class HandleRequest(Strict):
    """Whose handle: the patient's identifier in your system, or the `subject_id` of a MEDS dataset."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [
        {"required": [one], "properties": {one: {"type": kind}, other: {"type": "null"}}}
        for one, kind, other in (("outside_id", "string", "subject_id"), ("subject_id", "integer", "outside_id"))
    ]})  # fmt: skip
    outside_id: str | None = Field(None, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")
    subject_id: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.outside_id is None) == (self.subject_id is None):
            raise PydanticCustomError("outside_id_or_subject_id", "one of them")
        return self


class Reason(BaseModel):
    """Why: in words, with the patient's own number, and what it adds to the log-odds."""

    sentence: str
    touchpoint: str
    dimension: str
    contribution: float
    feature: str
    modifiable: bool


class Interval(BaseModel):
    """Between what the risk lies."""

    low: float
    high: float


class Answer(BaseModel):
    """One model's risk of one patient; `risk` is null where the model states none."""

    target: str
    risk: float | None
    says: str
    model_version: str
    as_of: str
    band: Literal["low", "usual", "raised", "high"] | None = None
    reference_rate: float | None = None
    interval: Interval | None = None
    expected_nps: float | None = None
    encounter_id: str | None = None
    reasons: list[Reason] | None = None
    contributions: dict[str, float] | None = None
    bias: float | None = None


class PatientAnswer(BaseModel):
    """All risks of one patient."""

    patient: str
    risks: list[Answer]


class ScoreAnswer(BaseModel):
    """In the order in which they were asked for."""

    patients: list[PatientAnswer]


class RiskAnswer(BaseModel):
    """What was stated of a patient: of each target the latest, and all of it, newest first."""

    patient: str
    latest: list[Answer]
    history: list[Answer]


class HandleAnswer(BaseModel):
    """How this service calls the patient."""

    patient: str = Field(pattern=r"^p-[a-z2-7]{26}$")


class EventsAnswer(BaseModel):
    """How many events are on disk now."""

    kept: int = Field(ge=1)


class Prediction(BaseModel):
    """One row's."""

    risk: float = Field(ge=0, le=1)


class PredictionsAnswer(BaseModel):
    """In the order of the rows, as MLflow answers."""

    predictions: list[Prediction]


class Model(BaseModel):
    """A model in service; `not_taken` says why a newer version was not taken, if so."""

    target: str
    version: str
    says: str
    reference_rate: float = Field(ge=0, le=1)
    kind: str
    trained: dict[str, Any]
    not_taken: str | None


class ModelsAnswer(BaseModel):
    """By target."""

    models: list[Model]


class FeatureAnswer(BaseModel):
    """What may be sent under one name; `absent` is what it means when it is not."""

    name: str
    kind: Literal["category", "number"]
    unit: str
    says: str
    touchpoint: str
    dimension: str
    absent: str
    categories: list[str] | None = None


class FeaturesAnswer(BaseModel):
    """Of all models in service."""

    features: list[FeatureAnswer]


class ReadyAnswer(BaseModel):
    """Each thing that the service needs, `ready` or the code of what is wrong; and what was not taken into service."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]
    not_taken: dict[str, str]
