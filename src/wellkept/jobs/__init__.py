"""The jobs of the command line and of pipelines/: the outer ring, where disk, clock and settings are."""

from wellkept.jobs.auditing import audit_fairness
from wellkept.jobs.documenting import documented, documents, report_facts
from wellkept.jobs.evidence import Learned, learn, load_evidence, write_evidence
from wellkept.jobs.ingesting import LIVE, land, live_batch, open_journeys, read_batch
from wellkept.jobs.monitoring import monitor
from wellkept.jobs.piloting import Trial, load_trial, open_log, pilot_standing, plan_pilot, read_pilot
from wellkept.jobs.planning import Planned, Wanted, plan, plan_facts
from wellkept.jobs.promoting import champion_version, promote, rollback, settle, versions_of
from wellkept.jobs.recommending import publish_steps, recommend, write_assignments
from wellkept.jobs.scoring import ScoringRun, bundles_in_service, score_population
from wellkept.jobs.training import Asked, bundle_of, find_leaks, train_model, without_leaks
from wellkept.jobs.tuning import tune
from wellkept.published import latest_scores

__all__ = [
    "LIVE", "Asked", "Learned", "Planned", "ScoringRun", "Trial", "Wanted", "audit_fairness", "bundle_of",
    "bundles_in_service", "champion_version", "documented", "documents", "find_leaks", "land", "latest_scores",
    "learn", "live_batch", "load_evidence", "load_trial", "monitor", "open_journeys", "open_log", "pilot_standing",
    "plan", "plan_facts", "plan_pilot", "promote", "publish_steps", "read_batch", "read_pilot", "recommend",
    "report_facts", "rollback", "score_population", "settle", "train_model", "tune", "versions_of", "without_leaks",
    "write_assignments", "write_evidence",
]  # fmt: skip
