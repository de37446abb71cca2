"""Run the application under uvicorn."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sys
from pathlib import Path

import uvicorn

from wellkept.api.app import bare_app, create_app, openapi_of
from wellkept.api.guard import Guard
from wellkept.settings import load_settings
from wellkept.store import open_database, pepper_of

GRACE_SECONDS = 10
HEALTH_SECONDS = 30  # a worker that compiles or loads on a busy machine must not be taken for one that hangs


def run(host: str, port: int, workers: int, *, scores: Path | None = None, steps: Path | None = None) -> None:
    """Serve until the process is told to end; what is in flight then is answered.

    More than one worker are started anew (spawn): a process that was forked after XGBoost has predicted hangs.
    """
    for name, folder in (("WELLKEPT_SCORES", scores), ("WELLKEPT_STEPS", steps)):
        if folder is not None:
            os.environ[name] = str(folder)  # workers read their settings for themselves
    for line in not_there(scores, steps):
        print(line, file=sys.stderr)
    settings = load_settings()
    # before the workers do, so that only one makes the tables and draws the pepper
    open_database(settings.database).dispose()
    pepper_of(settings.database, settings.pepper.get_secret_value() if settings.pepper else None)
    multiprocessing.set_start_method("spawn", force=True)
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold paths, and so handles
    uvicorn.run("wellkept.api.running:application", factory=True, host=host, port=port, workers=workers,
                timeout_graceful_shutdown=GRACE_SECONDS, timeout_worker_healthcheck=HEALTH_SECONDS,
                server_header=False, access_log=False, log_level="info", proxy_headers=False)  # fmt: skip


def not_there(scores: Path | None, steps: Path | None) -> list[str]:
    """A line for each folder that is not there: the first night may be to come, or the name may be wrong."""
    asked = ((scores, "score"), (steps, "recommend"))
    return [f"there is no folder {folder} yet: what it holds is told once `wellkept {verb}` has published there"
            for folder, verb in asked if folder is not None and not folder.is_dir()]  # fmt: skip


def application() -> Guard:
    """What uvicorn's workers make."""
    return create_app(load_settings())


def openapi_text() -> str:
    """The OpenAPI document as it is committed."""
    return json.dumps(openapi_of(bare_app()), indent=1, sort_keys=True) + "\n"
