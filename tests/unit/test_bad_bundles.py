"""Group C of the bad-input corpus: artefacts that are not exactly what was written are refused, by name and rule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from tests.bundling import bundle, rehash, values
from wellkept import bundle_files, bundles
from wellkept.bundles import Bundle, load_bundle, write_bundle
from wellkept.errors import BundleRefused
from wellkept.pointers import champion_of

CORPUS = {"m_bitflip_ubj", "m_bitflip_json", "m_truncated", "m_pickle", "m_loader", "m_skops", "m_extra_file",
          "m_symlink", "m_signature", "m_features", "m_vocab", "m_golden", "m_nan", "m_version", "m_old", "m_huge",
          "m_mlflow_down"}  # fmt: skip
OWN_TESTS = {"m_bitflip_ubj", "m_bitflip_json", "m_huge", "m_old", "m_mlflow_down"}  # below, beside the table
ELSEWHERE = {
    "m_signature": "bundles are not signed: who may write models/ may write a manifest, so its rights are the guard",
}
CANARY = "Ada Lovelace MRN 00123"  # stands for whatever a damaged file may hold: no message repeats it


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind that no test changes."""
    folder = tmp_path_factory.mktemp("sound")
    return {kind: write_bundle(bundle(kind), folder / kind) for kind in ("trees", "logistic")}


@pytest.fixture
def trees(sound: dict[str, Path], tmp_path: Path) -> Path:
    """A folder of trees to damage."""
    return Path(shutil.copytree(sound["trees"], tmp_path / "7"))


def edit(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON file in place and leave the manifest as it is."""
    (folder / name).write_text(json.dumps(change(json.loads((folder / name).read_text()))))


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    """Set keys of a JSON file, then make the manifest agree."""

    def damage(folder: Path) -> None:
        edit(folder, name, lambda data: {**data, **values})
        if name != "manifest.json":
            rehash(folder)

    return damage


def raw(name: str, content: bytes, *, listed: bool = True) -> Callable[[Path], None]:
    """Put bytes into a file; `listed`: and into the manifest."""

    def damage(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        if listed:
            rehash(folder)

    return damage


def of_another(*names: str, **other: Any) -> Callable[[Path], None]:
    """Put another bundle's files in, then make the manifest agree."""

    def damage(folder: Path) -> None:
        elsewhere = write_bundle(bundle(**other), folder.parent / "another")
        for name in names:
            shutil.copy(elsewhere / name, folder / name)
        rehash(folder)

    return damage


def belong_together(folder: Path) -> None:
    digests = {name: bundles._digest((folder / name).read_bytes()) for name in bundles.CONTRACT}
    edit(folder, "model.json", lambda model: {**model, "belongs_with": digests})


def encoder(change: Callable[[dict], None], *, agree: bool = False) -> Callable[[Path], None]:
    """Change features or vocabularies; `agree`: and make model.json agree as well as the manifest."""

    def damage(folder: Path) -> None:
        data = json.loads((folder / "encoder.json").read_text())
        change(data)
        (folder / "encoder.json").write_text(json.dumps(data))
        if agree:
            belong_together(folder)
        rehash(folder)

    return damage


def linked(name: str, *, to_folder: bool = False) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        there = folder.parent / "outside"
        if to_folder:
            there.mkdir()
        else:
            there.write_bytes((folder / name).read_bytes() if (folder / name).exists() else CANARY.encode())
            (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(there)

    return damage


def all_linked(folder: Path) -> None:
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def logistic(**parts: str) -> Callable[[Path], None]:
    """A logistic regression in the place of the bundle, with JSON text of some parts replaced."""

    def damage(folder: Path) -> None:
        shutil.rmtree(folder)
        write_bundle(bundle("logistic"), folder)
        data = json.loads((folder / "logistic.json").read_text())
        text = {**{name: json.dumps(values) for name, values in data.items()}, **parts}
        body = ", ".join(f'"{name}": {values}' for name, values in text.items())
        (folder / "logistic.json").write_text(f"{{{body}}}")
        rehash(folder)

    return damage


def listed_size(size: Any) -> Callable[[Path], None]:
    """The manifest states another size of model.json."""

    def damage(folder: Path) -> None:
        def change(manifest: dict) -> dict:
            manifest["files"]["model.json"]["bytes"] = size
            return manifest

        edit(folder, "manifest.json", change)

    return damage


def swapped(data: dict) -> None:
    features = data["features"]
    features[0], features[2] = features[2], features[0]


PICKLE = b"\x80\x04\x95" + CANARY.encode() + b"."
ZIP = b"PK\x03\x04" + CANARY.encode()
RUNTIME = {"written_by_xgboost": CANARY, "xgboost_at_least": "1.0", "xgboost_below": "2"}

CASES: list[tuple[str, str, Callable[[Path], Any], str]] = [
    ("m_truncated", "tree", lambda f: os.truncate(f / "trees-0.ubj", 100), "digest_mismatch"),
    ("m_truncated", "empty", lambda f: os.truncate(f / "model.json", 0), "digest_mismatch"),
    ("m_truncated", "manifest", lambda f: os.truncate(f / "manifest.json", 300), "manifest"),
    ("m_truncated", "no manifest", lambda f: (f / "manifest.json").unlink(), "manifest"),
    ("m_truncated", "no model", lambda f: (f / "trees-1.ubj").unlink(), "missing_file"),
    ("m_truncated", "no member", lambda f: ((f / "trees-2.ubj").unlink(), rehash(f)), "golden_rows"),
    ("m_truncated", "no folder", shutil.rmtree, "manifest"),
    ("m_truncated", "listed", lambda f: (os.truncate(f / "trees-0.ubj", 100), rehash(f)), "model"),
    ("m_pickle", "pkl", raw("model.pkl", PICKLE), "pickle_refused"),
    ("m_pickle", "joblib", raw("model.joblib", ZIP, listed=False), "pickle_refused"),
    ("m_pickle", "capitals", raw("MODEL.PKL", PICKLE), "pickle_refused"),
    ("m_pickle", "in a JSON's place", raw("metrics.json", PICKLE), "pickle_refused"),
    ("m_pickle", "in a tree's place", raw("trees-0.ubj", PICKLE), "pickle_refused"),
    ("m_pickle", "zipped", raw("golden.json", ZIP), "pickle_refused"),
    ("m_pickle", "protocol 0", raw("spec.json", b"cos\nsystem\n(S'true'\ntR."), "pickle_refused"),
    ("m_skops", "listed", raw("model.skops", ZIP), "pickle_refused"),
    ("m_skops", "not listed", raw("model.skops", ZIP, listed=False), "pickle_refused"),
    ("m_loader", "MLmodel", raw("MLmodel", b"loader_module: evil\n", listed=False), "extra_file"),
    ("m_loader", "listed MLmodel", raw("MLmodel", b"loader_module: evil\n"), "extra_file"),
    ("m_loader", "code", raw("code/evil.py", CANARY.encode(), listed=False), "extra_file"),
    ("m_extra_file", "not listed", raw("notes.txt", CANARY.encode(), listed=False), "extra_file"),
    ("m_extra_file", "listed", raw("notes.txt", CANARY.encode()), "extra_file"),
    ("m_extra_file", "hidden", raw(".DS_Store", b"", listed=False), "extra_file"),
    ("m_extra_file", "strange name", raw("\x1b[2J\n\udcff", b"", listed=False), "extra_file"),
    ("m_extra_file", "folder", lambda f: (f / "empty").mkdir(), "extra_file"),
    ("m_extra_file", "pipe", lambda f: ((f / "model.json").unlink(), os.mkfifo(f / "model.json")), "extra_file"),
    ("m_extra_file", "one more tree", lambda f: raw("trees-3.ubj", (f / "trees-0.ubj").read_bytes())(f), "golden_rows"),
    ("m_extra_file", "two kinds", raw("logistic.json", b"{}"), "model"),
    ("m_symlink", "file", linked("model.json"), "symlink"),
    ("m_symlink", "manifest", linked("manifest.json"), "symlink"),
    ("m_symlink", "unlisted file", linked("more.json"), "symlink"),
    ("m_symlink", "folder", linked("more", to_folder=True), "symlink"),
    ("m_symlink", "the bundle itself", all_linked, "symlink"),
    ("m_features", "swapped", encoder(swapped), "feature_contract"),
    ("m_features", "swapped, all agree", encoder(swapped, agree=True), "golden_rows"),
    ("m_features", "one less", encoder(lambda e: e["features"].pop()), "feature_contract"),
    ("m_features", "one less, all agree", encoder(lambda e: e["features"].pop(), agree=True), "feature_contract"),
    ("m_features", "renamed, all agree", encoder(lambda e: e["features"][0].update(name=CANARY), agree=True),
     "feature_contract"),
    ("m_features", "other window", encoder(lambda e: e["features"][0]["expression"].update(window="30d")),
     "feature_contract"),
    ("m_features", "other question", of_another("spec.json", target="no_return"), "feature_contract"),
    ("m_features", "profile", changed("model.json", profile={CANARY: {"known": 1, "unseen": 0}}), "feature_contract"),
    ("m_features", "no feature", encoder(lambda e: e["features"][0].update(touchpoint=CANARY)), "model"),
    ("m_vocab", "reordered", encoder(lambda e: e["levels"]["channel"].reverse()), "feature_contract"),
    ("m_vocab", "reordered, all agree", encoder(lambda e: e["levels"]["channel"].reverse(), agree=True), "golden_rows"),
    ("m_vocab", "one more", encoder(lambda e: e["levels"]["channel"].append(CANARY), agree=True), "feature_contract"),
    ("m_golden", "model of another", of_another("trees-0.ubj", seed=2), "golden_rows"),
    ("m_golden", "all of another", of_another("trees-0.ubj", "trees-1.ubj", "trees-2.ubj", seed=2), "golden_rows"),
    ("m_golden", "calibrator", changed("model.json", slope=1.2), "golden_rows"),
    ("m_golden", "second head", changed("model.json", second=[-3.0, -9.0]), "golden_rows"),
    ("m_golden", "no second head", changed("model.json", second=None), "golden_rows"),
    ("m_golden", "risk", lambda f: (edit(f, "golden.json", lambda g: {**g, "risk": [r + 1e-5 for r in g["risk"]]}),
                                    rehash(f)), "golden_rows"),
    ("m_golden", "no risk", changed("golden.json", risk=[]), "golden_rows"),
    ("m_golden", "no rows", changed("golden.json", rows={}), "feature_contract"),
    ("m_golden", "empty rows", lambda f: (
        edit(f, "golden.json", lambda g: {"risk": [], "rows": {n: [] for n in g["rows"]}}), rehash(f)), "model_output"),
    ("m_golden", "text for a number", lambda f: (
        edit(f, "golden.json", lambda g: {**g, "rows": {**g["rows"], "wait": [CANARY] * 16}}), rehash(f)),
     "feature_contract"),
    ("m_golden", "infinite risk", raw("golden.json", b'{"rows": {}, "risk": [NaN]}'), "model"),
    ("m_nan", "infinite intercepts", logistic(intercepts="[1e999, -1e999, 0]"), "model_output"),
    ("m_nan", "NaN scale", logistic(scale=f"[{', '.join(['NaN'] * len(bundle().encoder.columns))}]"), "model_output"),
    ("m_nan", "NaN calibrator", raw("model.json", b'{"slope": NaN}'), "model"),
    ("m_nan", "text calibrator", changed("model.json", slope=CANARY), "model"),
    ("m_nan", "reference rate", changed("model.json", reference_rate=17), "model"),
    ("m_version", "older", changed("manifest.json", runtime=RUNTIME), "runtime"),
    ("m_version", "newer", changed("manifest.json", runtime={**RUNTIME, "xgboost_at_least": "99.0",
                                                             "xgboost_below": "100"}), "runtime"),
    ("m_version", "format", changed("manifest.json", format=CANARY), "runtime"),
    ("m_version", "none", changed("manifest.json", runtime={}), "manifest"),
    ("m_version", "no version", changed("manifest.json", runtime=dict.fromkeys(RUNTIME, CANARY)), "manifest"),
    ("m_truncated", "manifest of lists", raw("manifest.json", b"[]", listed=False), "manifest"),
    ("m_truncated", "manifest of brackets", raw("manifest.json", b"[" * 200_000, listed=False), "manifest"),
    ("m_truncated", "files of brackets", raw("metrics.json", b'{"a":' + b"[" * 200_000), "model"),
    ("m_truncated", "no UTF-8", raw("metrics.json", b'{"a": "\xff"}'), "model"),
    ("m_truncated", "kind", changed("model.json", kind=[CANARY]), "model"),
    ("m_truncated", "size stated below zero", listed_size(-2), "digest_mismatch"),
    ("m_truncated", "size stated as text", listed_size(CANARY), "manifest"),
    ("m_truncated", "size stated as infinite", listed_size(float("inf")), "manifest"),
]  # fmt: skip


def test_every_case_of_the_corpus_is_here_or_said_to_be_elsewhere():
    assert {case[0] for case in CASES} | OWN_TESTS | set(ELSEWHERE) == CORPUS


@pytest.mark.parametrize(("damage", "code"), [case[2:] for case in CASES], ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_a_bad_bundle_is_refused_and_the_one_in_memory_stays_usable(
    damage: Callable[[Path], Any], code: str, trees: Path
):
    in_memory = load_bundle(trees)
    damage(trees)
    check_refused(trees, code)
    check_usable(in_memory)


def check_refused(folder: Path, *codes: str) -> BundleRefused:
    with pytest.raises(BundleRefused) as refused:
        load_bundle(folder)
    message = str(refused.value)
    assert refused.value.code in codes
    assert refused.value.exit_code == 3
    assert message.startswith(f"[{refused.value.code}] ")
    assert str(folder) in message
    assert message.isprintable()
    assert len(message) < len(str(folder)) + 200
    assert CANARY not in message
    return refused.value


def check_usable(in_memory: Bundle) -> None:
    X = in_memory.encoder.matrix(values(20))
    np.testing.assert_array_equal(in_memory.risk(X), bundle(in_memory.estimator.kind).risk(X))


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was parsed beside manifests, in order."""
    parsed: list[str] = []

    def spying(name: str, parse: Callable) -> Callable:
        def spy(*args: Any, **kwargs: Any) -> Any:
            parsed.append(name)
            return parse(*args, **kwargs)

        return spy

    monkeypatch.setattr(bundles, "from_json", spying("JSON", bundles.from_json))
    monkeypatch.setattr(xgboost.Booster, "load_model", spying("booster", xgboost.Booster.load_model))
    return parsed


@pytest.mark.parametrize("kind", ["trees", "logistic"])
def test_a_flipped_bit_in_any_file_is_refused_before_anything_is_parsed(
    kind: str, sound: dict[str, Path], tmp_path: Path, parsers: list[str]
):
    folder = Path(shutil.copytree(sound[kind], tmp_path / "7"))
    random = np.random.default_rng(17)
    names = sorted(p.name for p in folder.iterdir() if p.name != "manifest.json")
    for name in [*names, *random.choice(names, 60 - len(names))]:
        content = (folder / name).read_bytes()
        damaged = bytearray(content)
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        (folder / name).write_bytes(damaged)
        assert name in str(check_refused(folder, "digest_mismatch"))
        (folder / name).write_bytes(content)
    assert parsers == []
    check_usable(load_bundle(folder))
    assert parsers


def test_a_flipped_bit_in_the_manifest_is_refused_or_changes_nothing(trees: Path):
    random = np.random.default_rng(18)
    content = (trees / "manifest.json").read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        (trees / "manifest.json").write_bytes(damaged)
        try:
            check_usable(load_bundle(trees))
        except BundleRefused:
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    ("stated", "code"), [(None, "digest_mismatch"), (2**30, "too_large")], ids=["not stated", "stated"]
)
def test_a_huge_file_is_refused_by_its_size_before_it_is_read(
    stated: int | None, code: str, trees: Path, monkeypatch: pytest.MonkeyPatch
):
    os.truncate(trees / "model.json", 2**30)
    if stated:
        listed_size(stated)(trees)
    read = bundle_files._read
    was_read = []
    monkeypatch.setattr(bundle_files, "_read", lambda path, *sizes: was_read.append(path.name) or read(path, *sizes))
    check_refused(trees, code)
    assert "model.json" not in was_read


def test_a_huge_manifest_is_refused_by_its_size(trees: Path):
    os.truncate(trees / "manifest.json", 2**30)
    check_refused(trees, "too_large")


def test_an_older_version_is_put_back_by_moving_the_pointer(tmp_path: Path):
    for version, seed in (("1", 1), ("2", 2)):
        write_bundle(bundle(seed=seed), tmp_path / "detractor_risk" / version)
    X = bundle().encoder.matrix(values(20))
    for version, seed in (("2", 2), ("1", 1)):
        (tmp_path / "detractor_risk" / "champion").write_text(f"{version}\n")
        in_service = load_bundle(champion_of(tmp_path, "detractor_risk"))
        np.testing.assert_array_equal(in_service.risk(X), bundle(seed=seed).risk(X))


@pytest.mark.parametrize(
    "pointer",
    [b"", b"\n", b"../../elsewhere", b"/etc", b".", b"..", b".unfinished-x", b"1/../2", b"1\n2", b"\xff\xfe", b"1\x00",
     b"1 2", CANARY.encode(), b"1" * 10_000],
)  # fmt: skip
def test_a_pointer_that_names_no_version_is_refused(pointer: bytes, tmp_path: Path):
    (tmp_path / "no_return").mkdir()
    (tmp_path / "no_return" / "champion").write_bytes(pointer)
    with pytest.raises(BundleRefused) as refused:
        champion_of(tmp_path, "no_return")
    assert refused.value.code == "pointer"
    assert CANARY not in str(refused.value)


def test_no_pointer_means_no_champion(tmp_path: Path):
    with pytest.raises(BundleRefused) as refused:
        champion_of(tmp_path, "no_return")
    assert refused.value.code == "no_champion"


def test_a_pointer_to_a_version_that_is_gone_is_refused_on_loading(tmp_path: Path):
    (tmp_path / "no_return").mkdir()
    (tmp_path / "no_return" / "champion").write_text("9\n")
    check_refused(champion_of(tmp_path, "no_return"), "manifest")


def test_a_bundle_loads_while_mlflow_cannot_be_reached(sound: dict[str, Path]):
    program = (
        "import sys; from pathlib import Path; from wellkept.bundles import load_bundle;"
        "print(load_bundle(Path(sys.argv[1])).target, 'mlflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(sound["trees"])], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("detractor_risk False\n", "")
