"""MLflow's contract: POST /invocations with its four JSON forms and CSV, answered `{"predictions": [...]}`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from wellkept.api.access import Rule
from wellkept.api.direct import Answered, Direct
from wellkept.api.problems import Refused, responses
from wellkept.api.reading import JSON, broken, content_type, in_line, parsed, read_body
from wellkept.api.service import Service
from wellkept.api.shapes import PredictionsAnswer
from wellkept.bundles import Bundle
from wellkept.contracts import LARGEST_NUMBER
from wellkept.serving.given import table_of
from wellkept.serving.in_service import Served
from wellkept.serving.requests import FEW

router = APIRouter(tags=["MLflow"], route_class=Direct)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CSV = "text/csv"
EXAMPLES = {
    "records": {"value": {"dataframe_records": [{"lead_days": 21.0}]}},
    "split": {"value": {"dataframe_split": {"columns": ["lead_days"], "data": [[21.0]]}}},
    "instances": {"value": {"instances": [{"lead_days": 21.0}]}},
    "inputs": {"value": {"inputs": {"lead_days": [21.0]}}},
}

Rows = list[dict[str, Any]]


@router.post(
    "/invocations", dependencies=[Depends(Rule("score"))], summary="As `mlflow models serve`",
    responses={200: {"model": PredictionsAnswer}, **responses(400, 401, 403, 408, 413, 415, 422, 429, 503, 504)},
    openapi_extra={"requestBody": {"required": True, "content": {
        JSON: {"schema": {"type": "object"}, "examples": EXAMPLES}, CSV: {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def invocations(request: Request) -> Response:
    """One risk a row. Absent columns are not known; categories are strings; `params.target` picks the model."""
    service: Service = request.app.state.service
    kind = content_type(request, JSON, CSV)
    body = await read_body(request)
    async with in_line(request, body):
        data, params = (_of_csv(body), {}) if kind == CSV else _of_json(parsed(body))
    model = _model(service, params)
    bundle = model.bundle
    rows = _rows(data, bundle)
    if not 0 < len(rows) <= service.settings.max_patients:
        raise broken([("/", "number_of_rows")])
    if breaches := [b for i, row in enumerate(rows) for b in _breaches(bundle, row, i)]:
        raise broken(breaches)
    seconds = len(rows) * model.quick.seconds if len(rows) <= FEW else math.inf
    risk = await service.in_turn(_risk, model, rows, seconds=seconds)
    await service.record(request, "invocations", [], [f"{bundle.target} {bundle.version}"])
    return Answered(json.dumps({"predictions": [{"risk": r} for r in risk]}))


def _risk(model: Served, rows: Rows) -> list[float]:
    if len(rows) <= FEW:
        return [float(model.quick.risk(model.quick.row(row))[0]) for row in rows]
    return model.quick.risk(model.bundle.encoder.matrix(table_of(model.bundle, rows))).tolist()


def _model(service: Service, params: Mapping[str, Any]) -> Served:
    target = params.get("target", service.settings.invocations or None)
    if target is None and len(service.models.served) > 1:
        raise Refused(422, "which_target", 'several models are in service: send "params": {"target": ...}')
    return service.asked_models(None if target is None else [target])[0]


def _of_json(data: Any) -> tuple[tuple[str, Any], dict[str, Any]]:
    """The form and what it holds; and the parameters."""
    if not isinstance(data, dict) or sum(form in data for form in FORMS) != 1:
        raise broken([("/", "one_of_" + "_".join(FORMS))])
    params = data.get("params") or {}
    if set(data) - {*FORMS, "params"}:
        raise broken([("/", "extra_forbidden")])
    if not isinstance(params, dict) or set(params) - {"target"} or not isinstance(params.get("target", ""), str):
        raise broken([("/params", "unknown_parameter")])
    form = next(form for form in FORMS if form in data)
    return (form, data[form]), params


def _of_csv(body: bytes) -> tuple[str, Any]:
    """A table with a header; an empty cell is not known."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Refused(400, "csv_invalid", "the body is no CSV in UTF-8") from None
    if not lines or any(len(line) != len(lines[0]) for line in lines):
        raise broken([("/", "row_width")])
    return "csv", {"columns": lines[0], "data": lines[1:]}


def _rows(data: tuple[str, Any], bundle: Bundle) -> Rows:
    """One dictionary of features a row, from any of the forms."""
    form, held = data
    match form:
        case "csv" | "dataframe_split":
            return _split(held, form, bundle)
        case "dataframe_records" | "instances" if _is_list_of(held, dict):
            return held
        case "inputs" if isinstance(held, dict) and held and all(isinstance(c, list) for c in held.values()):
            return _from_columns(held)
        case "inputs" if isinstance(held, dict) and held:
            return [held]
        case "instances" | "inputs" if _is_list_of(held, list):
            return [_by_position(row, bundle) for row in held]
    raise broken([(f"/{form}", "form")])


def _split(held: Any, form: str, bundle: Bundle) -> Rows:
    sound = (isinstance(held, dict) and set(held) <= {"columns", "data", "index"}
             and _is_list_of(held.get("data"), list) and _is_list_of(held.get("columns"), str))  # fmt: skip
    if not sound:
        raise broken([(f"/{form}", "form")])
    names = held["columns"]
    if len(set(names)) != len(names) or any(len(row) != len(names) for row in held["data"]):
        raise broken([(f"/{form}", "row_width")])
    if form == "dataframe_split":
        return [dict(zip(names, row, strict=True)) for row in held["data"]]
    text = {f.name for f in bundle.encoder.features if f.expression.is_text}
    return [{n: (cell or None) if n in text else _number(cell) for n, cell in zip(names, row, strict=True)}
            for row in held["data"]]  # fmt: skip


def _number(cell: str) -> Any:
    """A cell's number; what is none stays text, and is refused as such."""
    if not cell:
        return None
    plain = cell.isascii() and set(cell) <= set("0123456789+-.eE")
    try:
        return float(cell) if plain else cell
    except ValueError:
        return cell


def _from_columns(held: Mapping[str, list]) -> Rows:
    if len({len(column) for column in held.values()}) != 1:
        raise broken([("/inputs", "row_width")])
    return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]


def _by_position(row: Sequence[Any], bundle: Bundle) -> dict[str, Any]:
    names = [f.name for f in bundle.encoder.features]
    if len(row) != len(names):
        raise broken([("/", "row_width")])
    return dict(zip(names, row, strict=True))


def _breaches(bundle: Bundle, row: Mapping[str, Any], i: int) -> list[tuple[str, str]]:
    """Rules that MLflow's schema has too: known columns, numbers that are numbers. Unseen categories are unknown."""
    features = {f.name: f for f in bundle.encoder.features}
    broken_rules = [(f"/{i}", "column_not_in_contract") for _ in range(len(row.keys() - features.keys()))]
    for name, value in row.items():
        if name not in features or value is None:
            continue
        if features[name].expression.is_text:
            wrong = "" if isinstance(value, str) else "category_is_text"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            wrong = "not_a_number"
        else:
            wrong = "" if abs(value) <= LARGEST_NUMBER else "out_of_range"
        broken_rules += [(f"/{i}/{name}", wrong)] if wrong else []
    return broken_rules


def _is_list_of(held: Any, kind: type) -> bool:
    return isinstance(held, list) and all(map(isinstance, held, repeat(kind)))
