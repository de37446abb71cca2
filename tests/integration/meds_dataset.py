"""A small synthetic MEDS dataset that the code has never seen: codes of another world, one real dependence."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TOML = """
target = "readmission"
says = "will be admitted again within 30 days"
features = "auto"

[points]
each = "HOSPITAL_DISCHARGE//*"
active = "60d"

[label]
true_when = "event of HOSPITAL_ADMISSION//* within 30d"

[trees]
rounds = 30
"""
START = datetime(2180, 1, 1) - timedelta(days=365 * 160)  # noqa: DTZ001  MEDS times carry no zone
SCHEMA = pa.schema([
    ("subject_id", pa.int64()), ("time", pa.timestamp("us")), ("code", pa.string()), ("numeric_value", pa.float32()),
    ("text_value", pa.large_string()),
])  # fmt: skip


def write_meds(folder: Path, *, subjects: int = 1500, seed: int = 1) -> Path:
    """`data/{train,held_out}/0.parquet` and `metadata/codes.parquet`."""
    random = np.random.default_rng(seed)
    for split, ids in (("train", range(1, subjects)), ("held_out", range(subjects, subjects + 200))):
        rows = [row for subject in ids for row in _subject(subject, random)]
        path = folder / "data" / split / "0.parquet"
        path.parent.mkdir(parents=True)
        columns = list(zip(*rows, strict=True))
        pq.write_table(pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA), path)
    (folder / "metadata").mkdir()
    codes = pa.table({"code": ["LAB//CREATININE"], "description": ["creatinine in blood"]})
    pq.write_table(codes, folder / "metadata" / "codes.parquet")
    return folder


def _subject(subject: int, random: np.random.Generator) -> list[tuple]:
    rows = [(subject, None, f"GENDER//{random.choice(['F', 'M'])}", None, None),
            (subject, START - timedelta(days=int(random.integers(20, 80) * 365)), "MEDS_BIRTH", None, None)]
    now = START + timedelta(days=float(random.uniform(0, 500)))
    while now < START + timedelta(days=700):
        creatinine = float(random.lognormal(0, 0.5))
        leaves = now + timedelta(days=3)
        rows += [
            (subject, now, "HOSPITAL_ADMISSION//" + random.choice(["URGENT", "PLANNED"]), None, None),
            (subject, now + timedelta(hours=5), "LAB//CREATININE", creatinine, None),
            (subject, leaves, "HOSPITAL_DISCHARGE//HOME", None, str(random.choice(["alone", "with family"]))),
        ]
        soon = random.random() < 1 / (1 + np.exp(-2 * (creatinine - 1.5)))
        now = leaves + timedelta(days=float(random.uniform(2, 28) if soon else random.uniform(60, 400)))
    return rows
