"""MLflow: what was tried, on which data, how good it was, and which version is in service.

The only part of Wellkept that imports mlflow, and only inside its functions. One experiment and one registered model
a target; the model is the bundle itself behind a models-from-code pyfunc, so no pickle is written or read. Promotion
exports the registered bundle to `models/<target>/<version>/`, verifies it, moves the pointer, and then the alias.
"""

from wellkept.registry.service import export, point_to, set_alias
from wellkept.registry.studies import Study, study
from wellkept.registry.tracking import register
from wellkept.registry.versions import Version, version_of, versions

__all__ = ["Study", "Version", "export", "point_to", "register", "set_alias", "study", "version_of", "versions"]
