"""Everything once, on a small SYNTHETIC health system: simulate, ingest, train both targets, score, explain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import SecretStr

from wellkept import jobs
from wellkept.errors import SpecRefused
from wellkept.listing import gate_lines, recommendation_lines, report_lines
from wellkept.natural import in_words, with_interval
from wellkept.progress import Narrator
from wellkept.published_steps import Origin
from wellkept.recommending import Budget
from wellkept.settings import Settings
from wellkept.simulator import simulate

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
TARGETS = ("detractor_risk", "no_return")
SHOWN = 10
BUDGET = Budget(minutes=400, texts=200)  # of all staff in one day


def run_demo(
    folder: Path, *, patients: int, seed: int, settings: Settings, say: Narrator
) -> tuple[dict, str]:
    """Run the whole chain; gives facts for machines and a text for people.

    Raises
    ------
    SpecRefused
        It is not run in the root of the repository, where models/*.toml are.
    """
    specs = {target: settings.models / f"{target}.toml" for target in TARGETS}
    if not all(path.is_file() for path in specs.values()):
        raise SpecRefused("no_file", f"{settings.models} has no {TARGETS[0]}.toml: run this where the repository is")
    say(f"simulating {patients} patients: SYNTHETIC, no real person is in it")
    simulate(folder / "export", patients=patients, seed=seed)
    batch = jobs.read_batch("tables", folder / "export", now=AS_OF, settings=settings)
    keyed = settings.model_copy(update={"subject_key": SecretStr(f"demo {seed}")})
    journeys = jobs.open_journeys(folder / "journeys", keyed)
    landing = jobs.land(journeys, batch)
    say(f"ingested {landing.added} events of version {landing.version}")
    asked = jobs.Asked(now=datetime.now(UTC), approve="the demo", explained="the demo was run again",
                       synthetic=True)
    reports = {t: jobs.train_model(path, journeys.folder, settings, asked=asked, say=say) for t, path in specs.items()}
    served = tuple(target for target in TARGETS if jobs.champion_version(target, settings))
    bundles = jobs.bundles_in_service(settings, served)
    run = jobs.score_population(journeys.snapshot(), bundles, AS_OF, folder / "scores", narrate=say,
                                again="the demo was run again", settings=settings)
    scores = jobs.latest_scores(folder / "scores")[1]
    steps = jobs.recommend(journeys.snapshot(), scores, AS_OF, BUDGET, bundles)
    origin = Origin(AS_OF, journeys.snapshot().digest, {bundle.target: bundle.version for bundle in bundles})
    jobs.publish_steps(steps, folder / "steps", origin, again="the demo was run again")
    told = [*_headline(patients), *_reports(reports), *_worst(run.folder, served),
            *recommendation_lines(steps), "", *_next(folder, run, settings)]
    return {"synthetic": True, "reports": reports, "rows": run.rows, "steps": steps.table.num_rows,
            "folder": str(run.folder)}, "\n".join(told)


def _headline(patients: int) -> list[str]:
    return [f"SYNTHETIC health system, {patients} patients, none of them real; scored as of {AS_OF:%Y-%m-%d}", ""]


def _reports(reports: dict[str, dict]) -> list[str]:
    return [line for report in reports.values() for line in [*report_lines(report), "", *gate_lines(report), ""]]


def _worst(run: Path, served: tuple[str, ...]) -> list[str]:
    """The patients most at risk by the first model in service, both risks in natural frequencies, and their reasons."""
    scores, reasons = pq.read_table(run / "scores.parquet"), pq.read_table(run / "reasons.parquet")
    first = scores.filter(pc.equal(scores["target"], served[0])).sort_by([("risk", "descending")]).slice(0, SHOWN)
    lines = [f"The {SHOWN} synthetic patients whose {served[0]} is highest, and why:"]
    for row in first.to_pylist():
        mine = pc.equal(scores["subject_id"], row["subject_id"])
        risks = {r["target"]: r for r in scores.filter(mine).to_pylist()}
        said = [f"{t} {_told(r)}" for t, r in risks.items()]
        said += [f"{t} not asked: nobody expects them back by a deadline" for t in served if t not in risks]
        lines.append(f"  patient {row['subject_id']}: {'; '.join(said)}")
        why = reasons.filter(pc.and_(pc.equal(reasons["subject_id"], row["subject_id"]),
                                     pc.equal(reasons["target"], served[0])))
        raising = [r for r in why.to_pylist() if r["contribution"] > 0][:3]
        lines += [f"      {r['touchpoint']}: {r['sentence']} ({r['contribution']:+.2f})" for r in raising]
    return [*lines, ""]


def _told(score: dict) -> str:
    """One risk with its interval, and what is usual."""
    risk = with_interval(score["risk"], score["risk_low"], score["risk_high"])
    return f"{risk} (usual: {in_words(score['reference_rate'])})"


def _next(folder: Path, run: jobs.ScoringRun, settings: Settings) -> list[str]:
    return [
        "Where to look next:",
        f"  scores and reasons      {run.folder}/scores.parquet, reasons.parquet",
        f"  what to do, for whom    {folder}/steps/recommendations.parquet",
        f"  what was exported       {folder}/export/*.parquet with a mapping TOML each",
        f"  the models in service   {settings.models}/<target>/champion",
        f"  the experiments         mlflow ui --backend-store-uri sqlite:///{settings.mlruns}/mlflow.db",
    ]
