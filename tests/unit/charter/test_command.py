"""The ceremonies as custodians do them: six hands, files that travel, and nothing secret but in its own file."""

import json
import re

import pytest
from typer.testing import CliRunner

from events.succession import load_charter, read_charter
from services.charter.signing import fingerprint
from services.cli import app

WORDS = "seven words that custodian {} alone would choose"


class Ceremony:
    """Two or three ministries' folders, and the command."""

    def __init__(self, folder):
        self.folder = folder
        self.said = ""

    def run(self, *words, code=0, typed=None):
        done = CliRunner().invoke(app, ["charter", *map(str, words)], input=typed)
        self.said += done.output
        sentence = str(done.exception or "")
        assert (0 if not sentence or sentence == "0" else getattr(done.exception, "exit_code", done.exit_code)) == code, (
            sentence, done.output)  # fmt: skip
        return done.stdout if not code else sentence

    def root_of(self, country):
        return self.folder / f"offline-{country}"

    def root(self, country, name):
        places = [f"file:{self.folder / f'{country}-{n}.kek'}" for n in (1, 2, 3)]
        given = [word for place in places for word in ("--passphrase", place)]
        self.run("root", self.root_of(country), "--country", country, "--name", name, *given)
        return self.root_of(country) / f"{country}.member.json"

    def key(self, party):
        self.run("key", self.folder / party)
        return max((self.folder / party).glob("*.signing.*.json"))

    def joiners(self, country):
        return [self.key(country), self.key(f"{country}.holder")]

    def sign(self, draft, country, number, *more, **how):
        key = self.root_of(country) / f"{country}.root-{number}.key"
        place = f"file:{self.folder / f'{country}-{number}.kek'}"
        told = how.pop("told", None) or self.told(draft)
        said = self.run("sign", draft, key, "--passphrase", place, "--fingerprint", told, *more, **how)
        return said.strip().splitlines()[-1] if not how else said

    def told(self, draft):
        return json.loads(self.run("show", draft, "--json"))["fingerprint"]

    def founded(self):
        """KH and TH, up to their charter."""
        members = [self.root("KH", "Cambodia"), self.root("TH", "Thailand")]
        draft = self.folder / "first.json"
        self.run("new", draft, *members, "--region", "trial")
        self.run("join", draft, *self.joiners("KH"), *self.joiners("TH"), self.key("matcher"), "--pairs", "all")
        signatures = [self.sign(draft, cc, n) for cc, n in (("KH", 1), ("KH", 3), ("TH", 2), ("TH", 1))]
        self.run("collect", draft, *signatures, "--out", self.charter)
        return self.charter

    @property
    def charter(self):
        return self.folder / "charter.json"


@pytest.fixture
def ceremony(tmp_path):
    return Ceremony(tmp_path)


def test_a_region_is_founded_joined_and_left(ceremony):
    founded = ceremony.founded()
    digest = load_charter(founded)[1]
    ceremony.run("verify", founded, "--fingerprint", fingerprint(digest))

    draft, second = ceremony.folder / "second.json", ceremony.folder / "charter-2.json"
    ceremony.run("new", draft, "--after", founded, "--issued", "2030-01-01T06:00:00")
    ceremony.run("join", draft, ceremony.root("LA", "Lao PDR"), *ceremony.joiners("LA"), "--pairs", "KH-LA")
    names = [ceremony.sign(draft, cc, n, "--after", founded) for cc in ("KH", "TH", "LA") for n in (2, 3 if cc == "LA" else 1)]
    assert "Lao PDR (LA) becomes a member" in ceremony.said
    said = ceremony.run("collect", draft, *names[:5], "--after", founded, "--out", second, code=3)
    assert said == "Nothing is written: custodians of LA have to sign yet."
    assert not second.exists()
    ceremony.run("collect", draft, *names, "--after", founded, "--out", second)
    out = json.loads(ceremony.run("verify", second, "--after", founded, "--fingerprint", ceremony.told(second), "--json"))
    assert [(v["version"], v["signed_by"]) for v in out["versions"]] == [(1, ["KH", "TH"]), (2, ["KH", "LA", "TH"])]

    third, draft = ceremony.folder / "charter-3.json", ceremony.folder / "third.json"
    ceremony.run("new", draft, "--after", second, "--issued", "2031-01-01T06:00:00")
    ceremony.run("leave", draft, "LA")
    names = [ceremony.sign(draft, cc, n, "--after", second) for cc in ("KH", "TH") for n in (1, 2)]
    ceremony.run("collect", draft, *names, "--after", second, "--out", third)
    charter, still = load_charter(third)
    assert (charter.version, charter.countries, charter.ended_pairs, still) == (3, ("KH", "TH"), ("KH-LA",), digest)


def test_a_stolen_key_is_retired_by_its_own_countrys_roots(ceremony):
    founded = ceremony.founded()
    last = ceremony.folder / "last.json"
    last.write_text('[{"topic": "linkage.KH", "partition": 0, "epoch": 1, "seq": 41}]')
    draft, second = ceremony.folder / "second.json", ceremony.folder / "charter-2.json"
    ceremony.run("new", draft, "--after", founded, "--issued", "2030-01-01T06:00:00")
    ceremony.run("retire", draft, "KH.signing.1", "--last", last, "--successor", ceremony.key("KH"))
    names = [ceremony.sign(draft, "KH", n, "--after", founded) for n in (1, 2)]
    assert "is retired. Of it counts: linkage.KH/0 to number 41 of epoch 1." in ceremony.said
    ceremony.sign(draft, "TH", 1, "--after", founded, code=3)
    ceremony.run("collect", draft, *names, "--after", founded, "--out", second)
    keys = load_charter(second)[0].party("KH").signing
    assert [(key.id, key.last is not None) for key in keys] == [("KH.signing.1", True), ("KH.signing.2", False)]
    assert ceremony.run("retire", draft, "KH.signing.1", code=3).startswith("Name what counts of the key")


def test_nobody_signs_what_bears_another_fingerprint_than_he_was_told(ceremony):
    founded = ceremony.founded()
    draft = ceremony.folder / "second.json"
    ceremony.run("new", draft, "--after", founded, "--issued", "2030-01-01T06:00:00")
    told = ceremony.told(draft)
    for wrong in (ceremony.told(founded), told[:8], told[:63] + ("0" if told[63] != "0" else "1")):
        said = ceremony.sign(draft, "KH", 1, "--after", founded, told=wrong, code=3)
        assert said.startswith("That is not this charter's fingerprint.")
    key, place = ceremony.root_of("KH") / "KH.root-1.key", f"file:{ceremony.folder / 'KH-1.kek'}"
    words = ("sign", draft, key, "--passphrase", place, "--after", founded)
    ceremony.run(*words, typed="00000000\n", code=3)
    assert not list(ceremony.folder.glob("second*.signature.json"))
    ceremony.run(*words, typed=f"{told[:4]} {told[4:8]}\n")
    assert len(list(ceremony.folder.glob("second*.signature.json"))) == 1


def test_a_draft_of_another_form_than_the_commands_is_not_signed(ceremony):
    """Else something could stand in it that no custodian was shown."""
    founded = ceremony.founded()
    draft = ceremony.folder / "second.json"
    ceremony.run("new", draft, "--after", founded, "--issued", "2030-01-01T06:00:00")
    content = draft.read_text()
    draft.write_text(content.replace('"quota_per_day": 320', '"quota_per_day": 9999,\n  "quota_per_day": 320'))
    assert "written by hand" in ceremony.sign(draft, "KH", 1, "--after", founded, code=3)
    ceremony.run("join", draft)
    assert draft.read_text() == content
    ceremony.sign(draft, "KH", 1, "--after", founded)


@pytest.mark.parametrize("words, sentence", [
    (("verify", "first.json"), "is no signed charter"),
    (("verify", "missing.json"), "cannot be read"),
    (("new", "first.json", "--region", "trial"), "exists, and is not overwritten"),
    (("new", "x.json"), "needs --region"),
    (("join", "first.json", "charter.json"), "neither a member's public file nor"),
    (("join", "first.json", "--pairs", "KH-ZZ"), "KH-ZZ is none"),
    (("leave", "first.json", "VN"), "neither a member nor a pair VN"),
    (("new", "x.json", "--region", "trial", "--rules", "rules.json"), "members is no rule"),
    (("verify", "charter.json", "--fingerprint", "00" * 32), "not this charter's fingerprint"),
    (("last", "KH"), "has no store.db"),
    (("root", "offline-KH", "--country", "KH", "--name", "Cambodia", "--passphrase", "file:/nowhere"), "three different sources"),
])  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_exit_code_3(ceremony, monkeypatch, words, sentence):
    ceremony.founded()
    (ceremony.folder / "rules.json").write_text('{"members": []}')
    monkeypatch.chdir(ceremony.folder)
    said = ceremony.run(*words, code=3)
    assert sentence in said
    assert len(said) < 400


def test_a_root_is_never_overwritten(ceremony):
    ceremony.root("KH", "Cambodia")
    before = (ceremony.root_of("KH") / "KH.root-1.key").read_bytes()
    with pytest.raises(AssertionError, match="never overwritten"):
        ceremony.root("KH", "Cambodia")
    assert (ceremony.root_of("KH") / "KH.root-1.key").read_bytes() == before


def test_verify_says_no_to_every_altered_letter(ceremony):
    founded = ceremony.founded()
    content = json.loads(founded.read_text())
    for name, value in (("payload", content["payload"][:-8] + "fQo="), ("signatures", content["signatures"][1:])):
        founded.write_text(json.dumps({**content, name: value}))
        ceremony.run("verify", founded, code=3)


def test_the_three_custodians_passphrases_open_their_own_key_and_no_secret_leaves(tmp_path):
    """With Argon2id as it is; the words stand in files here, as a terminal cannot be typed at."""
    ceremony = Ceremony(tmp_path)
    given = []
    for number in (1, 2, 3):
        words = tmp_path / f"words-{number}"
        words.touch(mode=0o600)
        words.write_text(WORDS.format(number))
        given += ["--passphrase", f"passphrase:{words}"]
    ceremony.run("root", tmp_path / "KH", "--country", "KH", "--name", "Cambodia", *given)
    from keys.errors import RingDamaged
    from keys.kek import source
    from services.charter.roots import open_root_key

    folder = tmp_path / "KH"
    key_id, seed = open_root_key(folder / "KH.root-2.key", source(f"passphrase:{tmp_path / 'words-2'}"))
    assert key_id == "KH.root.2"
    with pytest.raises(RingDamaged):
        open_root_key(folder / "KH.root-2.key", source(f"passphrase:{tmp_path / 'words-1'}"))
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}
    written = "".join(path.read_text() for path in folder.iterdir()) + ceremony.said
    assert seed.hex() not in written
    assert not re.search("seven words", written)


def test_what_the_ceremonies_print_and_pass_on_has_no_secret_in_it(ceremony):
    founded = ceremony.founded()
    from keys.kek import FileSource
    from keys.ring import open_ring

    rings = [(path, ceremony.folder / f"{path.name[:2]}-{path.stem[-1]}.kek") for path in ceremony.folder.glob("*/*.key")]
    rings += [(home / "ring.json", home / "kek") for home in ceremony.folder.iterdir() if (home / "ring.json").exists()]
    secrets = [v.secret for path, kek in rings for p in ("root", "signing", "store", "search")
               for v in open_ring(path, FileSource(kek))[0].versions(p)]  # fmt: skip
    assert len(secrets) == 6 + 5 + 5 + 2
    public = [path for path in ceremony.folder.rglob("*.json") if path.name != "ring.json"]
    passed_on = ceremony.said + "".join(path.read_text() for path in public)
    assert founded in public
    assert [s for s in secrets if s.hex() in passed_on] == []
    assert read_charter(founded).versions[0].content in [p.read_bytes() for p in public]
