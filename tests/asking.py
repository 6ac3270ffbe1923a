"""What a country asked its key holders, what came of it, and for whom it waits."""

import json

from regions import LiveRegion

from events.evidence import Evidence, Region, judge
from events.messages import EvaluationAsked


def waits(region: LiveRegion, country: str = "KH") -> dict[str, str]:
    return region.nodes[country].status().waits_for


def published(region: LiveRegion, country: str = "KH") -> int:
    return region.nodes[country].status().publications.get("published", 0)


def asked(region: LiveRegion, asker: str, holder: str) -> list[EvaluationAsked]:
    return [i for i in region.items(f"evaluate.{asker}.{holder}") if isinstance(i, EvaluationAsked)]


def charge(record: dict, region: LiveRegion) -> str | None:
    """What a third party can say from kept evidence and the charter alone."""
    return judge(Evidence.model_validate_json(json.dumps(record)), Region((region.charter,), region.digest)).charge
