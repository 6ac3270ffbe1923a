"""An erasure takes an officer and a custodian, and nothing of her can be read afterwards; who crashes goes on with it."""

from datetime import timedelta

import pytest
from desks import refused
from regions import person

from events.messages import Revocation, Submission
from events.person import PersonErased
from keys.erasure import farewell
from keys.persons import PersonKeys


@pytest.fixture
def her(region):
    """The case of somebody with identifiers, consents, and tokens out towards TH and LA."""
    region.publish("KH", person("A"))
    region.tick(2)
    return region.file("KH", "A").case


def request(node):
    (waiting,) = node.erasures.waiting()
    return waiting.id


def erase(node, act, case):
    node.erasures.ask(act("officer"), case.case_id, "person_asked")
    node.erasures.sign(act("custodian"), request(node))


def test_it_takes_an_officer_who_asks_and_a_custodian_who_signs(node, act, her):
    for staff in ("worker", "supervisor", "focal", "custodian"):
        with refused("role_may_not"):
            node.erasures.ask(act(staff), her.case_id, "person_asked")
    node.erasures.ask(act("officer"), her.case_id, "person_asked")
    for staff in ("officer", "worker", "supervisor"):
        with refused("second_role_may_not", "same_person"):
            node.erasures.sign(act(staff), request(node))
    assert node.desk.read_case(act("worker"), her.case_id).person.names
    node.erasures.sign(act("custodian"), request(node))
    with refused("no_such_request"):
        node.erasures.decline(her.case_id)
    assert node.erasures.waiting() == []


def test_afterwards_nothing_of_her_can_be_read_but_her_case_still_counts(region, node, act, her):
    erase(node, act, her)
    file = node.desk.read_case(act("worker"), her.case_id)
    assert file.person.erased
    assert (file.person.names, file.person.documents, file.case.reference) == ((), (), None)
    assert [row.case_id for row in node.desk.cases(act("worker"))] == [her.case_id]
    assert node.status().cases == 1
    assert not any(entry.stands(region.clock.now()) for entry in file.consents.entries.values())


def test_her_tokens_leave_the_matcher_and_nothing_of_her_leaves_again(region, node, act, her):
    submitted = {i.handle for i in region.items("linkage.KH") if isinstance(i, Submission)}
    before = len(region.items("linkage.KH"))
    erase(node, act, her)
    region.tick(2)
    assert len(submitted) == 2
    left = region.items("linkage.KH")[before:]
    assert {(type(i), i.handle) for i in left} == {(Revocation, handle) for handle in submitted}


def test_nothing_can_be_recorded_of_her_any_more_nor_is_she_erased_twice(node, act, her):
    erase(node, act, her)
    with refused("erased", "consent_missing", "person_key_missing"):
        node.desk.record_identifiers(act("worker"), her.case_id, names=(), birth_date="1990", documents=(), gender=None,
                                     citizenships=frozenset())
    with refused("wrong_state"):
        node.erasures.ask(act("officer"), her.case_id, "retention")


def test_what_waited_about_her_waits_no_more(region, node, act, her):
    node.desk.set_grant(act("focal"), her.case_id, "TH", "hold", "review")
    node.desk.set_grant(act("focal"), her.case_id, "TH", "tell", "review")
    assert len(node.desk.awaiting(act("deputy"))) == 1
    erase(node, act, her)
    assert node.desk.awaiting(act("deputy")) == []


def test_a_file_that_names_her_again_opens_a_new_case_of_somebody_new(region, node, act, her):
    erase(node, act, her)
    region.publish("KH", person("A"))
    assert region.file("KH", "A").case.person_id != her.person_id
    assert node.status().cases == 2


def test_what_nobody_signs_in_seven_days_or_is_declined_is_not_done(region, node, act, her):
    node.erasures.ask(act("officer"), her.case_id, "unlawful")
    node.erasures.decline(request(node))
    assert node.erasures.waiting() == []
    node.erasures.ask(act("officer"), her.case_id, "unlawful")
    region.sleep(days=7, seconds=10)
    assert node.erasures.waiting() == []
    assert node.desk.read_case(act("worker"), her.case_id).person.names


def test_the_history_keeps_the_last_words_of_her_key(region, node, act, her):
    key = region._persons["KH"].get(her.person_id)
    erase(node, act, her)
    (said,) = [e for _, e in node._store.log(0, 500) if isinstance(e, PersonErased)]
    last = farewell(key, her.person_id, said.at)
    assert (said.key_id_hash, said.proof) == (last.key_hash.hex(), last.proof.hex())
    assert (said.by.staff, said.second_by.staff) == ("officer", "KH-custodian")
    assert (said.basis, said.at - region.clock.now() < timedelta(seconds=1)) == ("person_asked", True)


def test_a_node_killed_before_the_key_is_destroyed_destroys_it_when_it_comes_back(region, node, act, her, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PersonKeys, "destroy", killed)
        with pytest.raises(Killed):
            erase(node, act, her)
    assert region._persons["KH"].get(her.person_id) is not None
    assert node.desk.read_case(act("worker"), her.case_id).person.erased  # whatever the key opens
    region.kill("KH")
    region.start("KH")
    assert region._persons["KH"].get(her.person_id) is None


def test_a_backup_of_the_keys_put_back_gives_nobody_back_who_was_erased_since(region, node, act, her):
    keys = region.region.home("KH") / "persons.db"
    backup = keys.read_bytes()
    erase(node, act, her)
    region.kill("KH")
    keys.write_bytes(backup)
    region.start("KH")
    assert region._persons["KH"].get(her.person_id) is None
    again = region.nodes["KH"].desk.read_case(act("worker"), her.case_id)
    assert (again.person.erased, again.person.names) == (True, ())
