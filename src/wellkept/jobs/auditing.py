"""From journeys to what each feature about who somebody is does, and for whom; nothing is registered."""

from __future__ import annotations

from pathlib import Path

from wellkept.examples import examples
from wellkept.fairness import REFITS, audited, sensitive, variants, with_audited
from wellkept.jobs.ingesting import open_journeys
from wellkept.progress import Narrator
from wellkept.settings import Settings
from wellkept.spec import load_spec
from wellkept.training import train


def audit_fairness(
    spec_path: Path, journeys: Path, settings: Settings, *, say: Narrator, refits: int = REFITS
) -> dict:
    """Retrain with and without each sensitive feature, and hold what comes of it beside the model as it is.

    Raises
    ------
    SpecRefused
        `nothing_sensitive`: the model's TOML names no code about who somebody is that there are features of.
    """
    spec = load_spec(spec_path)
    snapshot = open_journeys(journeys, settings).snapshot()
    say(f"{spec.target}: points, labels and features from version {snapshot.version} of the journeys")
    data = examples(snapshot, spec)
    more = with_audited(snapshot, data, spec)
    sensitive(more, spec)  # refused before anything is trained
    kind = train(data, spec, say=say).shipped.estimator.kind
    made = variants(more, spec, kind, refits=refits, track=say.track)
    return {"target": spec.target, "ships": kind, **audited(more, made, track=say.track)}
