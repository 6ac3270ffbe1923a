"""`samaki keys verify-evidence`, as a third party runs it: a file, a charter, and an exit code."""

import json
from pathlib import Path

import pytest
from regions import LiveRegion, person

from keys import group, shares
from services.custodian import evidence
from services.demo.region import found_region
from services.runtime.errors import InputInvalid, SettingsInvalid


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """TH's holder lies to KH. Nobody works here afterwards."""
    honest = shares.evaluate
    with LiveRegion(tmp_path_factory.mktemp("evidence") / "region", ("KH", "TH")) as live:
        live.meet()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                shares, "evaluate",
                lambda s, b: [*group.add(honest(s, b)[:1], b[:1]), *honest(s, b)[1:]] if s.holder == "TH.holder" else honest(s, b),
            )
            live.publish("KH", person("A"))
            live.settle()
        yield live


@pytest.fixture
def record(region) -> dict:
    (found,) = region.nodes["KH"].evaluations.evidence()
    return json.loads(json.dumps(found))


@pytest.fixture
def judged(region, tmp_path, capsys):
    """(content, charter) -> what the command gives, and what it said as JSON."""

    def judge(content, charter=region.region.charter_file):
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(content))
        convicts = evidence.verify(file, charter, as_json=True)
        return convicts, json.loads(capsys.readouterr().out)["verdicts"]

    return judge


def test_it_says_whom_it_convicts_and_of_what(region, record, judged):
    convicts, (row,) = judged(record)
    assert convicts
    assert (row["charge"], row["holder"], row["requester"], row["pair"]) == ("wrong_answer", "TH.holder", "KH", "KH-TH")
    assert row["batch"] == record["request"]["batch"]
    assert row["charter_digest"] == region.digest.hex()


def test_a_list_convicts_only_if_every_piece_does(record, judged):
    assert judged([record, record])[0]
    convicts, rows = judged([record, {**record, "holder": "KH.holder"}])
    assert not convicts
    assert [row["convicts"] for row in rows] == [True, False]
    assert "holder" not in rows[1]
    assert judged([]) == (False, [])


@pytest.mark.parametrize(
    "field", ["charter_digest", "requester", "holder", "request", "answer", "introduction"]
)
def test_evidence_that_lacks_a_part_convicts_nobody(record, judged, field):
    for content in ({**record, field: None}, {name: value for name, value in record.items() if name != field}):
        convicts, (row,) = judged(content)
        assert (convicts, row["convicts"]) == (False, False)


@pytest.mark.parametrize("content", [None, 7, "text", {}, {"holder": "TH.holder"}, [[]]])
def test_what_is_no_evidence_convicts_nobody(judged, content):
    assert not judged(content)[0]


def test_another_regions_charter_convicts_nobody(region, record, judged, tmp_path):
    other = found_region(tmp_path / "other", ("KH", "TH"), now=region.charter.issued)
    convicts, (row,) = judged(record, other.charter_file)
    assert not convicts
    assert "another region" in row["sentence"]


def test_a_file_that_cannot_be_read_is_a_wrong_input_and_a_missing_charter_a_wrong_setting(region, tmp_path):
    charter = region.region.charter_file
    (tmp_path / "bad").write_bytes(b"\xff{")
    for file in (tmp_path / "none", tmp_path / "bad", tmp_path):
        with pytest.raises(InputInvalid):
            evidence.verify(file, charter, as_json=False)
    (tmp_path / "good").write_text("[]")
    with pytest.raises(SettingsInvalid):
        evidence.verify(tmp_path / "good", None, as_json=False)
    with pytest.raises(InputInvalid):
        evidence.verify(tmp_path / "good", tmp_path / "good", as_json=False)


def test_without_json_it_is_a_sentence_that_a_person_reads(region, record, tmp_path, capsys):
    file: Path = tmp_path / "evidence.json"
    file.write_text(json.dumps(record))
    evidence.verify(file, region.region.charter_file, as_json=False)
    assert capsys.readouterr().out.startswith("Convicts. TH.holder signed an answer to KH (batch ")
