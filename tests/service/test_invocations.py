"""MLflow's contract: its four JSON forms and CSV, and none of its faults."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.bundling import bundle, values
from tests.serving import Client
from wellkept import __version__

TABLE = values(6).to_pandas()
RECORDS = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in TABLE.to_dict("records")]
PARAMS = {"params": {"target": "detractor_risk"}}
RISKS = bundle().risk(bundle().encoder.matrix(values(6))).tolist()
NAMES = [f.name for f in bundle().encoder.features]
SPLIT = {"columns": list(TABLE.columns), "data": [list(row.values()) for row in RECORDS]}
FORMS: list[dict[str, Any]] = [
    {"dataframe_split": SPLIT}, {"dataframe_split": {**SPLIT, "index": list(range(6))}},
    {"dataframe_records": RECORDS}, {"instances": RECORDS},
    {"instances": [[row[name] for name in NAMES] for row in RECORDS]},
    {"inputs": {name: [row[name] for row in RECORDS] for name in NAMES}},
]  # fmt: skip


def predicted(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.text
    return [row["risk"] for row in answer.json()["predictions"]]


@pytest.mark.parametrize("form", FORMS, ids=["split", "split with index", "records", "instances", "rows", "inputs"])
def test_each_form_gives_the_risks_of_the_bundle(client: Client, form: dict[str, Any]) -> None:
    assert predicted(client.post("/invocations", {**form, **PARAMS})) == RISKS


def test_csv_gives_them_too_where_one_model_is_the_one_for_invocations(client: Client) -> None:
    client.service.settings = client.settings.model_copy(update={"invocations": "detractor_risk"})
    text = TABLE.to_csv(index=False)
    try:
        answer = client.http.post("/invocations", content=text, headers={"content-type": "text/csv"})
        assert predicted(answer) == pytest.approx(RISKS, abs=1e-7)
        assert predicted(client.post("/invocations", FORMS[2])) == RISKS
    finally:
        client.service.settings = client.settings


def test_columns_that_are_absent_are_not_known_and_new_categories_are_unknown(client: Client) -> None:
    rows = [{"wait": 12.0}, {"wait": 12.0, "channel": "pigeon"}, {"wait": 12.0, "channel": "unknown"}]
    one, two, three = predicted(client.post("/invocations", {"dataframe_records": rows, **PARAMS}))
    assert one == two == three


@pytest.mark.parametrize(("body", "rule"), [
    ({"dataframe_records": [{"Jane Doe": 1}]}, "column_not_in_contract"),
    ({"dataframe_records": [{"wait": "12"}]}, "not_a_number"),
    ({"dataframe_records": [{"wait": True}]}, "not_a_number"),
    ({"dataframe_records": [{"channel": 3}]}, "category_is_text"), ({"dataframe_records": []}, "number_of_rows"),
    ({"dataframe_records": [{}], "instances": [{}]}, "one_of_dataframe_split_dataframe_records_instances_inputs"),
    ({"inputs": {"wait": [1.0], "age": []}}, "row_width"), ({"instances": [[1.0]]}, "row_width"),
    ({"dataframe_split": {"columns": ["wait"], "data": [[1.0, 2.0]]}}, "row_width"),
    ({"dataframe_split": [1]}, "form"), ({"inputs": 3}, "form"), ({"dataframe_records": [{}], "Jane": 1},
     "extra_forbidden"), ([1], "one_of_dataframe_split_dataframe_records_instances_inputs"),
])  # fmt: skip
def test_what_does_not_fit_is_a_problem_without_a_stack_trace(client: Client, body: Any, rule: str) -> None:
    answer = client.post("/invocations", {**body, **PARAMS} if isinstance(body, dict) else body)
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (422, rule)
    assert "Traceback" not in answer.text
    assert "Jane" not in answer.text


def test_of_several_models_one_must_be_named(client: Client) -> None:
    assert client.post("/invocations", {"instances": [{}]}).json()["code"] == "which_target"


@pytest.mark.parametrize("text", ["wait\n1,2\n", "wait\nabc\n", 'wait\n"1', "wait,wait\n1,2\n", ""])
def test_a_csv_that_is_none_is_refused(client: Client, text: str) -> None:
    client.service.settings = client.settings.model_copy(update={"invocations": "detractor_risk"})
    answer = client.http.post("/invocations", content=text, headers={"content-type": "text/csv"})
    client.service.settings = client.settings
    assert answer.status_code in (400, 422)


def test_ping_health_and_version_are_as_mlflows(client: Client) -> None:
    assert [client.get(path).status_code for path in ("/ping", "/health")] == [200, 200]
    assert client.get("/version").text == __version__
