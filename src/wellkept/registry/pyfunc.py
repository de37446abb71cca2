"""The model that MLflow serves: our bundle, verified and loaded by our own loader (models-from-code, no pickle)."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from wellkept.bundles import load_bundle

os.environ["MLFLOW_DISABLE_SCHEMA_DETAILS"] = "true"  # MLflow's errors would show the rows that it was given


class WellkeptModel(PythonModel):
    """Columns are the bundle's features; what is absent is not known. Gives one column, `risk`.

    A column of whole numbers must arrive as float64: MLflow refuses int64, which float64 cannot hold exactly.
    """

    def load_context(self, context: PythonModelContext) -> None:
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(  # the signature is MLflow's
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict | None = None  # noqa: ARG002
    ) -> pd.DataFrame:
        encoder, rows = self.bundle.encoder, len(model_input)
        given = {f.name: model_input[f.name] for f in encoder.features if f.name in model_input}
        columns = {
            f.name: pa.Array.from_pandas(given[f.name]) if f.name in given else pa.nulls(rows) for f in encoder.features
        }
        return pd.DataFrame({"risk": self.bundle.risk(encoder.matrix(pa.table(columns)))}, index=model_input.index)


set_model(WellkeptModel())
