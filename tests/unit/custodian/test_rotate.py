"""`samaki keys rotate`, `backup` and `restore` on the homes of a region whose parties run, or do not."""

import json
import os
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from regions import LiveRegion, person

from events.clock import ManualClock
from events.signing import OVERLAP
from events.succession import read_charter
from keys.errors import RingDamaged
from keys.kek import FileSource
from keys.ring import open_ring
from services.charter import drafts, homes
from services.charter.roots import new_root
from services.custodian import backup, rotate
from services.demo.region import sign_all
from services.matcher.peppers import named
from services.runtime.claim import claimed
from services.runtime.errors import HomeInUse, InputInvalid
from services.runtime.settings import PartySettings

ROOTS = {cc: new_root(cc, cc) for cc in ("KH", "TH")}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with LiveRegion(tmp_path_factory.mktemp("rotate") / "region", ("KH", "TH"), roots=ROOTS) as live:
        live.meet()
        live.publish("KH", person("A"))
        live.tick(2)
        yield live


class Keys:
    """The command's functions at one region's homes, by its clock."""

    def __init__(self, region, capsys, monkeypatch):
        self.region, self.capsys = region, capsys
        for module in (rotate, backup):
            monkeypatch.setattr(module, "SystemClock", lambda: ManualClock(region.clock.now()))

    def settings(self, party, **given):
        return PartySettings.load(home=self.region.region.home(party), charter=self.region.region.charter_file, **given)

    def rotate(self, purpose, party, *more, kek=None, **given):
        getattr(rotate, purpose)(self.settings(party, kek=kek), *more, as_json=True, **given)
        return self.said()[-1]

    def back_up(self, party, folder):
        backup.back_up(self.settings(party), folder, as_json=True)
        return self.said()[-1]

    def restore(self, party, file):
        backup.restore(self.settings(party), Path(file), as_json=True)
        return self.said()[-1]["restored"]

    def said(self):
        """What was answered; the parties' log lines are no part of it."""
        return [json.loads(line) for line in self.capsys.readouterr().out.splitlines() if line.startswith("{")]

    def running(self, party):
        """As its process has it, whose next steps are taken while the command waits."""
        return claimed(self.region.region.home(party))

    def ring(self, party):
        return self.region.ring(party)


@pytest.fixture
def keys(founded, tmp_path, capsys, monkeypatch):
    with founded.copied(tmp_path / "region") as region:
        yield Keys(region, capsys, monkeypatch)


@pytest.fixture
def home(keys):
    """KH's, stopped."""
    keys.region.kill("KH")
    return keys.region.region.home("KH")


# ---- kek and data


def test_a_ring_goes_under_a_fresh_file_in_the_same_place(keys, home):
    before, stolen = (home / "kek").read_bytes(), home / "stolen"
    stolen.write_bytes(before)
    stolen.chmod(0o600)
    assert keys.rotate("kek", "KH", None)["state"] == "done"
    assert (home / "kek").read_bytes() != before
    assert open_ring(home / "ring.json", FileSource(home / "kek"))[0].primary("signing").id == "KH.signing.1"
    with pytest.raises(RingDamaged):
        open_ring(home / "ring.json", FileSource(stolen))


def test_a_ring_goes_to_another_source_and_the_former_file_is_removed(keys, home):
    said = keys.rotate("kek", "KH", f"file:{home / 'elsewhere'}")
    assert "Set SAMAKI_KEK" in said["sentence"]
    assert not (home / "kek").exists()
    assert open_ring(home / "ring.json", FileSource(home / "elsewhere"))
    assert keys.rotate("kek", "KH", f"file:{home / 'elsewhere'}")["state"] == "done"


def test_persons_keys_go_under_a_fresh_key_and_the_former_is_destroyed(keys, home):
    said = keys.rotate("data", "KH")
    assert (said["key"], said["persons"]) == ("data.2", 1)
    assert [(v.id, v.state) for v in keys.ring("KH").versions("data")] == [("data.1", "destroyed"), ("data.2", "primary")]


def test_only_a_country_has_persons_keys_and_only_the_matcher_a_pepper(keys):
    with pytest.raises(InputInvalid, match="only a country's node"):
        keys.rotate("data", "KH.holder")
    with pytest.raises(InputInvalid, match="nobody else has a pepper"):
        keys.rotate("pepper", "KH")


@pytest.mark.parametrize("purpose, more", [("kek", (None,)), ("data", ()), ("signing", (365,))])
def test_a_home_whose_process_runs_is_left_alone(keys, purpose, more):
    home = keys.region.region.home("KH")
    before = (home / "ring.json").read_bytes()
    with keys.running("KH"), pytest.raises(HomeInUse, match="stop it first"):
        keys.rotate(purpose, "KH", *more)
    assert (home / "ring.json").read_bytes() == before
    assert not list(home.glob("*.signing.*"))


# ---- sealing and pepper


def test_a_party_that_runs_has_a_new_sealing_key_at_its_next_step_and_the_former_is_accepted_for_its_time(keys):
    region, former = keys.region, keys.ring("KH").primary("sealing").id
    region.clock.advance(60)
    with keys.running("KH"):
        said = keys.rotate("sealing", "KH", pause=region.settle)
    assert (said["state"], said["accepted"]) == ("done", [former])
    assert region.matcher._post.directory.sealing_key("KH", region.clock.now()).id == said["key"] != former
    region.sleep(days=20)
    assert keys.ring("KH").version("sealing", former).state == "active"
    region.sleep(days=1.1)
    assert keys.ring("KH").version("sealing", former).state == "destroyed"


def test_a_party_that_is_stopped_introduces_the_sealing_key_that_was_asked_for_when_it_is_started(keys, home):
    former = keys.ring("KH").primary("sealing").id
    keys.region.clock.advance(60)
    assert [keys.rotate("sealing", "KH")["state"] for _ in range(2)] == ["noted", "noted"]
    assert keys.ring("KH").primary("sealing").id == former
    keys.region.start("KH")
    keys.region.settle()
    keys.region.tick(2)
    assert len(keys.ring("KH").versions("sealing")) == 2
    assert home


def test_what_was_sealed_to_the_former_sealing_key_is_read(keys):
    """Published while the new key is on its way."""
    region = keys.region
    region.clock.advance(60)
    keys.rotate("sealing", "matcher")
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]


def test_the_matcher_changes_its_pepper_while_the_command_shows_how_far_it_is(keys):
    region = keys.region
    assert keys.rotate("pepper", "matcher") | {"sentence": ""} == {
        "purpose": "pepper", "state": "noted", "done": 0, "of": 0, "sentence": "",
    }  # fmt: skip
    with keys.running("matcher"):
        said = keys.rotate("pepper", "matcher", pause=region.tick)
    assert (said["state"], said["key"], said["place"]) == ("done", "matcher/pepper/KH-TH/1.2", "ring")
    assert [v.state for v in keys.ring("matcher").versions("pepper")] == ["destroyed", "active"]


def test_asked_again_while_a_country_is_away_it_shows_what_is_missing_and_begins_nothing_anew(keys):
    region = keys.region
    region.kill("KH")
    keys.rotate("pepper", "matcher")
    region.tick(2)
    said = keys.rotate("pepper", "matcher")
    assert (said["state"], said["done"], said["of"]) == ("noted", 0, 1)
    with region.databases["matcher"].reading() as tx:
        assert [n.state for n in named(tx)] == ["current", "next"]


def test_a_party_that_was_never_started_has_nothing_to_renew(keys, home):
    (home / "store.db").unlink()
    with pytest.raises(InputInvalid, match="when it is first started"):
        keys.rotate("sealing", "KH")


# ---- signing


def next_version(region, offer_file, *, issued):
    """The roots introduce a key; the charter file is replaced."""
    file = region.region.charter_file
    before = read_charter(file)
    offer = homes.Offer.model_validate_json(offer_file.read_bytes())
    draft = drafts.with_key(drafts.next_draft(before, issued=issued), offer)
    signed = sign_all(drafts.payload(draft), before, {"KH": ROOTS["KH"]})
    file.write_text(signed.model_dump_json())
    return signed


def test_a_signing_key_goes_from_step_to_step_and_the_former_is_destroyed_at_its_end(keys, home):
    region = keys.region
    made = keys.rotate("signing", "KH", 365)
    assert (made["state"], made["key"]) == ("made", "KH.signing.2")
    file = home / "KH.signing.2.json"
    file.unlink()  # killed before it was written
    again = keys.rotate("signing", "KH", 365)
    assert (again["state"], again["file"]) == ("made", str(file))
    assert len(keys.ring("KH").versions("signing")) == 2
    next_version(region, file, issued=region.clock.now() + DAY)
    assert "in force from" in keys.rotate("signing", "KH", 365)["sentence"]
    region.clock.advance(DAY.total_seconds())
    assert "start the party anew" in keys.rotate("signing", "KH", 365)["sentence"]
    for party in list(region.parties):
        region.kill(party)
    region.charter = read_charter(region.region.charter_file).verified()
    for party in region.charter.parties:
        region.start(party.id)
    region.settle()
    assert keys.ring("KH").primary("signing").id == "KH.signing.2"
    said = keys.rotate("signing", "KH", 365)
    assert (said["state"], said["key"]) == ("in_use", "KH.signing.2")
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    region.sleep(days=OVERLAP / DAY - 0.1)
    assert keys.ring("KH").version("signing", "KH.signing.1").state == "active"
    region.sleep(days=0.2)
    gone = keys.ring("KH").version("signing", "KH.signing.1")
    assert (gone.state, gone.secret) == ("destroyed", None)
    assert gone.public
    assert [p._post.status().refused for p in region.parties.values()] == [{}] * 5


class Killed(BaseException):
    """SIGKILL."""


CALLS = [(os, "open"), (os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink")]
"""By which files of keys and public files are written."""


def killed_at(at, *, done, act):
    """Do it, and die at the nth call of CALLS, before it or after it. Returns whether it died."""
    passed = 0

    def around(call):
        def stepped(*args, **more):
            nonlocal passed
            passed += 1
            if passed == at and not done:
                raise Killed
            result = call(*args, **more)
            if passed == at:
                raise Killed
            return result

        return stepped

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        for owner, name in CALLS:
            patch.setattr(owner, name, around(getattr(owner, name)))
        act()
    return passed == at


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_any_step_of_drawing_a_signing_key_there_is_one_and_its_public_file(keys, home, done):
    start = home.with_name("start")
    shutil.copytree(home, start)
    at, died = 0, True
    while died:
        at += 1
        shutil.rmtree(home)
        shutil.copytree(start, home)
        died = killed_at(at, done=done, act=lambda: keys.rotate("signing", "KH", 365))
        said = keys.rotate("signing", "KH", 365)
        versions = keys.ring("KH").versions("signing")
        assert [(v.id, v.state) for v in versions] == [("KH.signing.1", "primary"), ("KH.signing.2", "active")]
        offer = homes.Offer.model_validate_json((home / "KH.signing.2.json").read_bytes())
        assert (said["state"], offer.key.public) == ("made", versions[1].public.hex())
        assert not list(home.glob("*.new"))
    assert at > 7


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_any_step_of_destroying_the_former_signing_key_it_is_there_or_gone_and_goes(keys, home, done):
    region = keys.region
    keys.rotate("signing", "KH", 365)
    next_version(region, home / "KH.signing.2.json", issued=region.clock.now())
    for party in list(region.parties):
        region.kill(party)
    region.charter = read_charter(region.region.charter_file).verified()
    region.clock.advance((OVERLAP + DAY).total_seconds())
    region.start("KH")  # it takes the new key into use, and destroys the former one with its first tick
    region.kill("KH")
    start = home.with_name("start")
    shutil.copytree(home, start)
    at, died, states = 0, True, []
    while died:
        at += 1
        shutil.rmtree(home)
        shutil.copytree(start, home)
        region.start("KH")
        died = killed_at(at, done=done, act=region.nodes["KH"]._post.tick)
        region.kill("KH")
        states.append([v.state for v in keys.ring("KH").versions("signing")])
        region.start("KH")
        region.nodes["KH"].step()
        assert [v.state for v in keys.ring("KH").versions("signing")] == ["destroyed", "primary"]
        region.kill("KH")
    assert states == sorted(states)  # once gone, never back
    assert {tuple(s) for s in states} == {("active", "primary"), ("destroyed", "primary")}


# ---- backups


def test_persons_keys_are_backed_up_while_the_node_runs_and_old_backups_go(keys, tmp_path):
    folder = tmp_path / "apart"
    folder.mkdir()
    with keys.running("KH"):
        old = keys.back_up("KH", folder)["made"]
    keys.region.clock.advance(31 * 86400)
    said = keys.back_up("KH", folder)
    assert said["deleted"] == [old]
    assert [str(path) for path in folder.iterdir()] == [said["made"]]


def test_persons_keys_come_back_into_a_home_that_is_stopped_and_an_erased_person_does_not(keys, tmp_path):
    region, home = keys.region, keys.region.region.home("KH")
    her = region.file("KH", "A").case.person_id
    file = keys.back_up("KH", tmp_path)["made"]
    with keys.running("KH"), pytest.raises(HomeInUse):
        keys.restore("KH", file)
    region._persons["KH"].destroy(her)
    region.kill("KH")
    assert keys.restore("KH", file) == 0
    region.start("KH")
    assert region._persons["KH"].get(her) is None
    region.kill("KH")
    (home / "persons.db").unlink()
    assert keys.restore("KH", file) == 1
    region.start("KH")
    assert region._persons["KH"].get(her)


def test_whom_the_store_calls_erased_stays_so_where_the_file_with_her_tombstone_is_lost_and_a_backup_has_her_key(
    keys, tmp_path
):
    region, node = keys.region, keys.region.nodes["KH"]
    case = region.file("KH", "A").case
    file = keys.back_up("KH", tmp_path)["made"]
    node.erasures.ask(region.act("KH", "officer"), case.case_id, "person_asked")
    (asked,) = node.erasures.waiting()
    node.erasures.sign(region.act("KH", "custodian"), asked.id)
    region.kill("KH")
    (region.region.home("KH") / "persons.db").unlink()
    assert keys.restore("KH", file) == 1
    region.start("KH")
    region.settle()
    assert region._persons["KH"].get(case.person_id) is None


def test_a_backup_needs_a_folder(keys, tmp_path):
    with pytest.raises(InputInvalid, match="is no folder"):
        keys.back_up("KH", tmp_path / "nowhere")
