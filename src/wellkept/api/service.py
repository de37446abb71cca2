"""What all routes share: the database, the models in service, the journeys, the scorer and its bounds."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from wellkept.api.access import Rates, Tries
from wellkept.api.commits import Commits
from wellkept.api.metrics import Metrics
from wellkept.api.problems import Refused, request_id
from wellkept.errors import JourneysDamaged
from wellkept.identities import subject_ids
from wellkept.journeys import Snapshot
from wellkept.serving.given import Vocabulary
from wellkept.serving.handles import Handles
from wellkept.serving.in_service import InService, Served, probe
from wellkept.serving.journey import Row, joined, row_of, rows_of
from wellkept.serving.nights import Nights
from wellkept.serving.worklists import Worklists
from wellkept.settings import Settings
from wellkept.snapshots import open_snapshot
from wellkept.store import Entry, Keys, Recorder, history, live_events, newest, open_database, pepper_of

Result = TypeVar("Result")
AT_ONCE = 0.002  # seconds that the event loop may be held up
PURPOSE = "wellkept-purpose"


class Service:
    """One worker's."""

    def __init__(
        self, settings: Settings, clock: Callable[[], datetime], try_out: Callable[[Path], str] = probe
    ) -> None:
        self.settings, self.clock = settings, clock
        pepper = pepper_of(settings.database, settings.pepper.get_secret_value() if settings.pepper else None)
        self.engine = open_database(settings.database)
        self.keys, self.recorder = Keys(self.engine, pepper), Recorder(
            self.engine, pepper, clock, always_sync=settings.audit_sync)
        self._commits = Commits(self.recorder)
        self.handles, self._pepper = Handles(hashlib.sha256(pepper).digest()), pepper
        self.metrics, self.rates, self.tries = Metrics(), Rates(settings.per_minute), Tries()
        self.models = InService(settings.models, try_out)
        self.nights, self.worklists = Nights(settings.scores), Worklists(settings.steps)
        self.vocabulary = Vocabulary([])
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="scorer")
        self._waiting = self._recording = self.in_flight = 0
        self._snapshot: tuple[str, Snapshot] | None = None
        self.parsing = asyncio.Lock()

    def refresh(self) -> None:
        """Look whether other models are in service now, and whether another night or its steps were published."""
        if self.models.poll() or not self.vocabulary.features:
            served = list(self.models.served.values())
            self.vocabulary = Vocabulary([s.bundle for s in served])
            self.metrics.serving({s.bundle.target: s.bundle.version for s in served})
            _settle()
        self.nights.poll()
        if self.nights.runs:
            self.metrics.published(self.nights.runs[0].as_of.timestamp())
        self.worklists.poll()
        if self.worklists.current:
            self.metrics.recommended(self.worklists.current.as_of.timestamp())

    async def keep_fresh(self) -> None:
        """`refresh`, for ever."""
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            await asyncio.to_thread(self.refresh)

    async def in_turn(self, work: Callable[..., Result], *arguments: Any, seconds: float = math.inf) -> Result:
        """Run it in the scorer's thread; 503 when too many wait already.

        What takes so few `seconds` of CPU that handing it over would take as long runs at once.
        """
        self.refuse_if_full()
        if seconds <= AT_ONCE:
            return work(*arguments)
        self._waiting += 1
        future = self._executor.submit(work, *arguments)
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def refuse_if_full(self) -> None:
        """Raise 503 when too many wait already; before a body is parsed, so that a refusal costs little."""
        if max(self._waiting, self._recording) >= self.settings.waiting:
            raise Refused(503, "overloaded", "too many requests wait; try again", headers={"retry-after": "1"})

    def _done(self, _future: Future) -> None:
        self._waiting -= 1

    async def record(
        self, request: Request, action: str, patients: Sequence[str] = (), models: Sequence[str] = (), rows: Any = ()
    ) -> None:
        """Write the audit's line, with the rows that it is about; without it there is no answer."""
        key = request.state.key
        entry = Entry(f"{key.name}/{key.id}", action, request_id(request), patients, models, purpose(request))
        self._recording += 1
        try:
            await self._commits.record(entry, rows)
        finally:
            self._recording -= 1

    def known_as(self, patient: str) -> str:
        """What the audit calls a patient: a handle as it is, a client's own name by its keyed digest."""
        if self.handles.subject_of(patient) is not None:
            return patient
        return hashlib.blake2b(patient.encode(), key=self._pepper[:64], digest_size=12).hexdigest()

    def asked_models(self, targets: Sequence[str] | None) -> list[Served]:
        """The models of these targets, or all."""
        served = self.models.served
        if not served:
            raise Refused(503, "no_model", "no model is in service", headers={"retry-after": "5"})
        if targets is not None and not set(targets) <= set(served):
            raise Refused(422, "unknown_target", "no model of this target is in service: see /v1/models")
        return [served[t] for t in (dict.fromkeys(targets) if targets is not None else served)]

    def subject_of(self, handle: str) -> int:
        """The patient of a handle; 404 for any other text, whether or not such a patient exists."""
        subject = self.handles.subject_of(handle)
        if subject is None:
            raise Refused(404, "no_patient", "there is no patient of this handle")
        return subject

    def subject_from(self, outside_id: str) -> int:
        """The `subject_id` that ingestion gives this identifier."""
        if self.settings.subject_key:
            key = self.settings.subject_key.get_secret_value().encode()
        else:
            path = self.settings.journeys / "key" if self.settings.journeys else None
            if path is None or not path.is_file():
                raise Refused(409, "no_identities", "the journeys of this service know no outside identifiers")
            key = path.read_text(encoding="utf-8").strip().encode()
        return int(subject_ids([outside_id], key)[0])

    def stated(self, subject_id: int, most: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The latest answer of each target, and all answers, newest first: our own, and those of published nights."""
        nights = self.nights.of(subject_id)
        own = newest(self.engine, subject_id), history(self.engine, subject_id, limit=most)
        latest, found = (sorted(told + nights, key=_when, reverse=True) for told in own)
        first: dict[str, dict[str, Any]] = {}
        for answer in latest:
            first.setdefault(answer["target"], answer)
        return list(first.values()), found[:most]

    def stored(self, subject_id: int) -> list[Row]:
        """All that is known of a patient: the journeys, and live events that they do not hold yet."""
        live = [row_of(event, subject_id) for event in live_events(self.engine, [subject_id])]
        snapshot = self.snapshot()
        return joined(rows_of(snapshot.of_subject(subject_id)) if snapshot else (), live)

    def snapshot(self) -> Snapshot | None:
        """The journeys in force; None where this service joins none."""
        folder = self.settings.journeys
        if folder is None:
            return None
        try:
            pointer = (folder / "CURRENT").read_text(encoding="utf-8")
        except OSError:
            raise JourneysDamaged("no_journeys", "the journeys cannot be read") from None
        if self._snapshot is None or self._snapshot[0] != pointer:
            self._snapshot = pointer, open_snapshot(folder)
        return self._snapshot[1]

    def close(self) -> None:
        """Let what is under way end."""
        gc.unfreeze()
        self._executor.shutdown()
        self.recorder.close()
        self.engine.dispose()


def _settle() -> None:
    """Spare what was loaded the rounds of the garbage collector, each of which would stop all threads for .1 s."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _when(answer: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(answer["as_of"])


def purpose(request: Request) -> str:
    """Why, as the client's header says it: a word or two, or nothing."""
    given = request.headers.get(PURPOSE, "")
    if len(given) > 40 or not all(c.islower() or c in "-_" for c in given) or not given.isascii():
        raise Refused(422, "purpose", f"{PURPOSE} is at most 40 small letters, '-' and '_'")
    return given
