"""What the service does, without HTTP: strict JSON, opaque handles, models in service, one patient's risks and reasons.

Nothing here imports fastapi, mlflow or shap; the routes of `wellkept.api` are thin over it.
"""
