"""The models in service, what is said of them, and how a new one takes the place of the old."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundling import bundle, rehash
from tests.serving import Client, house, loaded_here, put_into_service, serving
from tests.unit.test_bad_bundles import CASES
from wellkept.bundles import write_bundle
from wellkept.errors import BundleRefused
from wellkept.serving.in_service import InService, probe

BODY = {"patients": [{"patient": "a", "features": {"wait": 10.0}}], "explain": "none"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A service of this test alone."""
    with serving(house(tmp_path)) as made:
        yield made


def version(client: Client) -> str:
    return client.post("/v1/score", BODY).json()["patients"][0]["risks"][0]["model_version"].partition("@")[0]


def test_models_their_cards_and_their_features_are_told(client: Client) -> None:
    told = client.get("/v1/models").json()["models"]
    assert [(m["target"], m["kind"], m["not_taken"]) for m in told] == [
        ("detractor_risk", "trees", None), ("no_return", "logistic", None)]  # fmt: skip
    assert client.get("/v1/models/no_return/card").json()["target"] == "no_return"
    assert client.get("/v1/models/weather/card").json()["code"] == "unknown_target"
    features = {f["name"]: f for f in client.get("/v1/features").json()["features"]}
    assert features["channel"]["categories"] == ["desk", "phone", "unknown", "web"]
    assert features["wait"]["unit"] == "min"


def test_a_new_champion_takes_the_place_of_the_old_at_the_next_look(own: Client) -> None:
    assert version(own) == "1"
    put_into_service(own.settings.models, "detractor_risk", "2", seed=7)
    assert version(own) == "1"
    own.service.refresh()
    assert version(own) == "2"
    assert 'wellkept_model_in_service{model="2@' in own.get("/metrics").text
    (own.settings.models / "detractor_risk" / "champion").write_text("1\n")  # and back
    own.service.refresh()
    assert version(own) == "1"


def test_what_was_loaded_is_spared_the_rounds_of_the_garbage_collector(own: Client) -> None:
    gc.unfreeze()
    put_into_service(own.settings.models, "detractor_risk", "2", seed=7)
    own.service.refresh()
    assert gc.is_tracked(own.service.models.served)
    assert gc.get_freeze_count() > 100_000


@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_no_bad_bundle_ever_takes_the_place_of_the_one_that_serves(
    case: tuple, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    put_into_service(tmp_path, "detractor_risk")
    models = InService(tmp_path, loaded_here)
    models.poll()
    before = models.served["detractor_risk"]
    kind = "logistic" if "logistic" in str(case[1]) else "trees"
    try:
        put_into_service(tmp_path, "detractor_risk", "7", kind=kind, seed=9)
        case[2](tmp_path / "detractor_risk" / "7")
    except FileNotFoundError:  # the damage is to a file of the other kind of model
        pytest.skip("of the other kind")
    models.poll()
    assert models.served["detractor_risk"] is before
    assert models.troubles["detractor_risk"]
    assert models.poll() is False  # nor is it tried again and again


def test_a_bundle_that_crashes_its_process_is_tried_out_in_another(tmp_path: Path) -> None:
    folder = write_bundle(bundle(), tmp_path / "1")
    trees = folder / "trees-0.ubj"
    trees.write_bytes(trees.read_bytes().replace(b"tree_param", b"tree_paran"))
    rehash(folder)
    with pytest.raises(BundleRefused):
        probe(folder)


def test_readiness_names_what_is_wrong(own: Client, tmp_path: Path) -> None:
    checks = {"models": "ready", "database": "ready", "journeys": "ready"}
    assert own.get("/readyz").json() == {"status": "ready", "checks": checks, "not_taken": {}}
    (tmp_path / "models" / "detractor_risk" / "champion").write_text("9\n")
    own.service.refresh()
    ready = own.get("/readyz")
    assert (ready.status_code, ready.json()["not_taken"]) == (200, {"detractor_risk": "manifest"})
    (tmp_path / "journeys" / "CURRENT").unlink()
    ready = own.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["journeys"]) == (503, "no_journeys")
    assert own.get("/livez").status_code == 200


def test_without_a_model_nothing_is_scored_and_it_is_said(tmp_path: Path) -> None:
    settings = house(tmp_path)
    with serving(settings.model_copy(update={"models": tmp_path / "none"})) as empty:
        assert empty.get("/readyz").json()["checks"]["models"] == "no_model"
        answer = empty.post("/v1/score", BODY)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_model")


def test_metrics_count_scores_and_refusals_and_name_nobody(own: Client) -> None:
    own.post("/v1/score", BODY)
    own.post("/v1/score", {"patients": [{"patient": "Jane.Doe", "features": {"wait": -1.0, "Jane": 1}}]})
    text = own.get("/metrics").text
    assert 'wellkept_scores_total{band="' in text
    assert 'wellkept_refusals_total{code="validation_failed",rule="out_of_range"} 1.0' in text
    assert 'wellkept_features_missing_total{target="detractor_risk"} 4.0' in text
    assert "Jane" not in text


def test_serving_imports_neither_mlflow_nor_shap(tmp_path: Path) -> None:
    settings = house(tmp_path)
    code = """if True:
        import json, sys
        from datetime import UTC, datetime
        from starlette.testclient import TestClient
        from tests.serving import loaded_here
        from wellkept.api.app import create_app
        from wellkept.settings import Settings
        app = create_app(Settings(**json.loads(sys.argv[1])), clock=lambda: datetime(2026, 6, 1, tzinfo=UTC),
                         try_out=loaded_here)
        with TestClient(app, base_url="http://localhost") as http:
            assert http.get("/readyz").status_code == 200
            app._service.models.served["no_return"]
        print(sorted({"mlflow", "shap"} & set(sys.modules)))"""
    facts = settings.model_dump(mode="json", include={"models", "database"})
    # tests.serving itself imports no mlflow either: tests.bundling does, so its part of it is taken out here
    done = subprocess.run([sys.executable, "-c", code.replace("from tests.serving import loaded_here",
                           "from wellkept.bundles import load_bundle; loaded_here = lambda f: load_bundle(f).version"),
                           json.dumps(facts)], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_no_request_fails_while_models_are_swapped(own: Client) -> None:
    """20 swaps under load, every second one to a bundle with a flipped bit, which is never taken."""
    models, stop, statuses = own.settings.models, threading.Event(), []
    for number in (2, 3):
        put_into_service(models, "detractor_risk", str(number), seed=number)
    trees = models / "detractor_risk" / "3" / "trees-0.ubj"
    content = bytearray(trees.read_bytes())
    content[-40] ^= 1
    trees.write_bytes(content)

    def ask() -> None:
        while not stop.is_set():
            answer = own.post("/v1/score", BODY)
            statuses.append((answer.status_code, answer.json()["patients"][0]["risks"][0]["model_version"][0]))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for one in asking:
        one.start()
    for i in range(20):
        (models / "detractor_risk" / "champion").write_text(f"{(1, 3, 2, 3)[i % 4]}\n")
        own.service.refresh()
    stop.set()
    for one in asking:
        one.join()
    assert {status for status, _ in statuses} == {200}
    assert {version for _, version in statuses} == {"1", "2"}
