"""Which models serve, what they are for, and which features they ask for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from wellkept.api.access import Rule
from wellkept.api.problems import responses
from wellkept.api.reading import JSON
from wellkept.api.service import Service
from wellkept.api.shapes import FeaturesAnswer, ModelsAnswer
from wellkept.cards import card

router = APIRouter(tags=["models"])


@router.get("/v1/models", dependencies=[Depends(Rule("score"))], summary="The models in service",
            responses={200: {"model": ModelsAnswer}, **responses(401, 403, 429, 503)})  # fmt: skip
async def models(request: Request) -> dict[str, Any]:
    """Target, version, what it says, and the reference rate; and why a newer version was not taken, if so."""
    service: Service = request.app.state.service
    return {"models": [
        {"target": target, "version": s.bundle.version, "says": s.bundle.spec.says,
         "reference_rate": s.bundle.reference_rate, "kind": s.bundle.estimator.kind,
         "trained": dict(s.bundle.facts), "not_taken": service.models.troubles.get(target)}
        for target, s in service.models.served.items()
    ]}  # fmt: skip


@router.get("/v1/models/{target}/card", dependencies=[Depends(Rule("score"))],
            summary="What a model is for, and what it is not",
            responses=responses(401, 403, 422, 429, 503))  # fmt: skip
async def model_card(request: Request, target: str) -> Response:
    """The model card: source attributes, how good it is and for whom, limits."""
    service: Service = request.app.state.service
    (served,) = service.asked_models([target])
    told = await asyncio.to_thread(card, served.bundle)
    return Response(json.dumps(told, default=str), media_type=JSON)


@router.get("/v1/features", dependencies=[Depends(Rule("score"))], summary="What may be sent as features",
            responses={200: {"model": FeaturesAnswer}, **responses(401, 403, 429, 503)})  # fmt: skip
async def features(request: Request) -> dict[str, Any]:
    """Every feature of the models in service: unit, kind, categories, and what absent means."""
    vocabulary = request.app.state.service.vocabulary
    return {"features": [
        {"name": name, "kind": "category" if f.expression.is_text else "number", "unit": f.unit, "says": f.docs,
         "touchpoint": f.touchpoint, "dimension": f.dimension, "absent": f.null,
         **({"categories": sorted(vocabulary.levels[name])} if f.expression.is_text else {})}
        for name, f in vocabulary.features.items()
    ]}  # fmt: skip
