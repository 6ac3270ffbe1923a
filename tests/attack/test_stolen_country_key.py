"""A thief of a country's signing key asks its key holders what they have answered already, which costs no quota."""

from regions import person

from events.messages import Evaluated, EvaluationAsked


def replayed(region, requests, rounds):
    node = region.nodes["KH"]
    topic = next(t for t in region.charter.topics if t.name == "evaluate.KH.TH")
    for _ in range(rounds):
        with region.databases["KH"].transaction() as tx:
            node._post.write(tx, topic, requests)
        region.settle()


def answers(region):
    return [i for i in region.items("evaluated.TH.KH") if isinstance(i, Evaluated)]


def test_replaying_answered_requests_brings_one_answer_a_tick_and_costs_the_owner_nothing(live):
    region = live("KH", "TH", batch_limit=5)
    region.publish("KH", *[person(f"R{i}", prs_IdentityNumber=f"K{i}") for i in range(3)])
    region.tick(2)
    requests = [i for i in region.items("evaluate.KH.TH") if isinstance(i, EvaluationAsked)]
    assert len(requests) == len(answers(region)) == 3
    spent = region.holders["TH"].limit("KH", "KH-TH")
    for tick in range(1, 4):
        replayed(region, requests * 4, rounds=5)
        assert len(answers(region)) == 3 * (1 + tick)
        region.tick()
    assert {a.elements for a in answers(region)[3:]} == {a.elements for a in answers(region)[:3]}
    assert region.holders["TH"].limit("KH", "KH-TH") == spent
    region.publish("KH", person("Z", prs_IdentityNumber="K9"))
    region.tick(2)
    assert region.tokens("KH", "Z") == {"TH": ("published", "")}
