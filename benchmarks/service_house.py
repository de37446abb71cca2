"""One made-up model for `service.py`: our bundle in service, the same behind MLflow, the booster alone, and a key."""

from __future__ import annotations

import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import xgboost

from wellkept.bundles import Bundle, write_bundle
from wellkept.catalogue import Feature
from wellkept.encoding import fit_encoder
from wellkept.estimators import BoostedTrees
from wellkept.history import past
from wellkept.registry.tracking import PYFUNC
from wellkept.spec import Label, Points, Spec
from wellkept.store import Keys, open_database, pepper_of
from wellkept.uncertainty import fit_uncertainty

ROWS = 20_000


def main(house: Path, features: int, trees: int, depth: int) -> None:
    """Write it all into a folder."""
    asked = [Feature(f"f{i}", past.of(f"X//F{i}").within("90d").mean(), f"f{i} was {{value:.1f}}", f"Number {i}.", "",
                     "visit", "customer", f"f{i} is not known") for i in range(features)]  # fmt: skip
    random = np.random.default_rng(1)
    X = random.normal(size=(ROWS, features)).astype(np.float32) * 20
    label = random.random(ROWS) < 1 / (1 + np.exp(-(X[:, :10].sum(axis=1) / 30)))
    table = pa.table({f.name: X[:, i] for i, f in enumerate(asked)})
    booster = xgboost.train({"max_depth": depth, "eta": 0.05, "objective": "binary:logistic", "nthread": 2},
                            xgboost.DMatrix(X, label), trees)  # fmt: skip
    estimator = BoostedTrees((booster,))
    margins = estimator.margins(X)
    sureness = fit_uncertainty(margins, label=label, margin=margins[:, 0], subject=np.arange(ROWS), line=(1.0, 0.0))
    encoder = fit_encoder(asked, table, np.arange(ROWS))
    label_of = Label(true_when="SURVEY//NPS <= 6 within 30d")
    spec = Spec(target="made_up", points=Points(each="VISIT//DONE"), label=label_of)
    made = Bundle(spec=spec, encoder=encoder, estimator=estimator, uncertainty=sureness, slope=1.0, intercept=0.0,
                  reference_rate=float(label.mean()), facts={}, metrics={}, profile=encoder.profile(table))  # fmt: skip
    folder = write_bundle(made, house / "models" / "made_up" / "1")
    (house / "models" / "made_up" / "champion").write_text("1\n")
    booster.save_model(house / "booster.ubj")
    _for_mlflow(house, folder, made)
    url = f"sqlite:///{house}/service/wellkept.db"
    keys = Keys(open_database(url), pepper_of(url, None))
    (house / "key").write_text(keys.create("bench", frozenset({"score"}), days=30, now=datetime.now(UTC)))


def _for_mlflow(house: Path, folder: Path, made: Bundle) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = [ColSpec(DataType.double, f.name, required=False) for f in made.encoder.features]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = ModelSignature(Schema(columns), Schema([ColSpec(DataType.double, "risk")]))
        mlflow.pyfunc.save_model(house / "mlflow", python_model=str(PYFUNC), artifacts={"bundle": str(folder)},
                                 pip_requirements=["wellkept"], signature=signature)  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
