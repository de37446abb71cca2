"""The jobs of the command line and of pipelines/: the outer ring, where disk, clock and settings are."""

from wellkept.jobs.documenting import documented, documents, report_facts
from wellkept.jobs.ingesting import land, open_journeys, read_batch
from wellkept.jobs.scoring import ScoringRun, bundles_in_service, score_population
from wellkept.jobs.training import (
    bundle_of,
    find_leaks,
    has_champion,
    promote_version,
    register,
    train_model,
    without_leaks,
)

__all__ = [
    "ScoringRun", "bundle_of", "bundles_in_service", "documented", "documents", "find_leaks", "has_champion", "land",
    "open_journeys", "promote_version", "read_batch", "register", "report_facts", "score_population", "train_model",
    "without_leaks",
]  # fmt: skip
