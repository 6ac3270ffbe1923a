"""What a country asked its key holders, what came of it, and for whom it waits."""

from regions import LiveRegion

from events.messages import EvaluationAsked


def waits(region: LiveRegion, country: str = "KH") -> dict[str, str]:
    return region.nodes[country].status().waits_for


def published(region: LiveRegion, country: str = "KH") -> int:
    return region.nodes[country].status().publications.get("published", 0)


def asked(region: LiveRegion, asker: str, holder: str) -> list[EvaluationAsked]:
    return [i for i in region.items(f"evaluate.{asker}.{holder}") if isinstance(i, EvaluationAsked)]
