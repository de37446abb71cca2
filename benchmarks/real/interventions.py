"""Two real interventions through the code of `wellkept pilot read`: one that was drawn, and one that was not.

    WELLKEPT_DATA=... python benchmarks/real/interventions.py

- Thornton (2008, American Economic Review 98, 1829-1863): in Malawi a lottery gave money for coming back for the result
  of a test. 2,834 people. The propensity is the lottery's share, since the file has none. Read here as a harm: did not
  come back. The file is `thornton_hiv.dta` of the PyPI package `causaldata`, installed or laid into the data folder.
- Appointments (Vitoria, Brazil, 2016): text messages that nobody drew. Asked about them, the product tells no effect.

Each is skipped aloud where its file is not there. Nothing is written into the repository.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from measuring import described, machine, say, show  # noqa: E402 - a script finds its neighbours by path
from wellkept.contracts import ASSIGNMENTS, TIME  # noqa: E402
from wellkept.listing_pilots import reading_lines  # noqa: E402
from wellkept.pilots.plans import Pilot  # noqa: E402
from wellkept.pilots.reading import Reading, read  # noqa: E402

DATA = Path(os.environ.get("WELLKEPT_DATA") or HERE.parents[2] / "shared" / "data")
THORNTON, APPOINTMENTS = "thornton_hiv.dta", "appointments_vitoria.parquet"
BEGINS, ENDS = datetime(2004, 1, 1, tzinfo=UTC), datetime(2016, 6, 1, tzinfo=UTC)
LEAD_CUTS = (3.0, 7.0, 14.0, 21.0, 30.0)


def main() -> None:
    """Both, where their files are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = [*thornton(), *appointments()]
    lines = [described(machine("wellkept", "pandas")), *reading_lines(found)]
    show([asdict(reading) for reading in found], lines, as_json=chosen.json)


def thornton() -> list[Reading]:
    """Money for coming back, drawn by a lottery."""
    path = _thornton_file()
    if path is None:
        say(f"SKIPPED thornton: neither {DATA / THORNTON} nor the package causaldata is there")
        return []
    people = pd.read_stata(path).dropna(subset=["any", "got"]).reset_index(drop=True)
    given = people["any"].to_numpy() == 1
    log = _log("incentive", np.arange(len(people)), given, np.full(len(people), given.mean()))
    stayed = {"did not come back": 1 - people["got"].to_numpy(float)}
    known = people[["distvct", "age", "hiv2004"]].to_numpy(float)
    bare = read(_pilot("incentive"), log, {"did not come back, nothing else known": stayed["did not come back"]},
                np.empty((len(people), 0)), ENDS)  # fmt: skip
    return [*bare, *read(_pilot("incentive"), log, stayed, known, ENDS)]


def appointments() -> list[Reading]:
    """Text messages, sent to whom somebody chose."""
    path = DATA / APPOINTMENTS
    if not path.is_file():
        say(f"SKIPPED appointments: there is no {path}; set WELLKEPT_DATA to the folder that holds it")
        return []
    table = pd.read_parquet(path)
    lead = (table["AppointmentDay"].dt.normalize() - table["ScheduledDay"].dt.normalize()).dt.days
    possible = ((lead >= 0) & (table["Age"] >= 0)).to_numpy()
    table, lead = table[possible], lead[possible].to_numpy(float)
    sent = table["SMS_received"].to_numpy() == 1
    log = _log("text message", pd.factorize(table["PatientId"])[0], sent, np.full(len(sent), np.nan))
    missed = (table["No-show"] == "Yes").to_numpy().astype(float)
    pilot = _pilot("text message", strata={"days of lead": LEAD_CUTS})
    return read(pilot, log, {"no-show": missed}, lead[:, None], ENDS, {"days of lead": lead})


def _thornton_file() -> Path | None:
    spec = find_spec("causaldata")
    places = [DATA / THORNTON]
    if spec and spec.origin:
        places.append(Path(spec.origin).parent / "thornton_hiv" / THORNTON)
    return next((path for path in places if path.is_file()), None)


def _pilot(arm: str, **more: object) -> Pilot:
    told = {"name": "history", "arms": (arm,), "begins": BEGINS, "ends": ENDS, "outcomes": {"-": "-"}} | more
    return Pilot.model_validate(told)


def _log(arm: str, who: np.ndarray, given: np.ndarray, propensity: np.ndarray) -> pa.Table:
    at = pa.repeat(pa.scalar(BEGINS, TIME), len(who))
    return ASSIGNMENTS.check(pa.table({
        "subject_id": who.astype(np.int64), "prediction_time": at, "arm": pa.repeat(arm, len(who)), "epoch": at,
        "holdout": ~given, "propensity": pa.array(propensity, from_pandas=True),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
