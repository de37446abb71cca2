"""The model that MLflow serves: our bundle, verified and loaded by our own loader (models-from-code, no pickle)."""

from pathlib import Path

import mlflow
import pandas as pd
import pyarrow as pa

from wellkept.bundles import load_bundle


class WellkeptModel(mlflow.pyfunc.PythonModel):
    """Columns are the bundle's features; what is absent is not known. Gives one column, `risk`."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self, context: mlflow.pyfunc.PythonModelContext, model_input: pd.DataFrame, params: dict | None = None
    ) -> pd.DataFrame:
        columns = {}
        for feature in self.bundle.encoder.features:
            type_ = pa.string() if feature.expression.is_text else pa.float32()
            given = model_input.get(feature.name)
            columns[feature.name] = (
                pa.nulls(len(model_input), type_) if given is None else pa.Array.from_pandas(given, type=type_)
            )
        risk = self.bundle.risk(self.bundle.encoder.matrix(pa.table(columns)))
        return pd.DataFrame({"risk": risk}, index=model_input.index)


mlflow.models.set_model(WellkeptModel())
