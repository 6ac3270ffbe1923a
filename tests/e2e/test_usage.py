"""What the command says of wrong words, missing files and silent peers: one sentence, and an exit code for each kind."""

import pytest
from commands import run

NODE = ("--node", "http://127.0.0.1:1", "--token-file", "token")
ONE_SENTENCE = 400
"""Letters at most, paths included."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "token").write_text("A" * 43)
    (tmp_path / "people.csv").write_text("record_id\nKH-1\n")
    (tmp_path / "one").mkdir()
    for country, lines in {"KH": "record_id,prs_FirstName\nKH-1,Sok\n", "TH": "record_id\nTH-1\n"}.items():
        (tmp_path / "one" / f"{country}.csv").write_text(lines)
    return tmp_path


def check_said(done, code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "samaki: " not in done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("samaki: ")
    assert len(last) < ONE_SENTENCE
    for part in parts:
        assert part in last


@pytest.mark.parametrize("words", [
    ("demo", "--people", "0"), ("demo", "--overlap", "2"), ("demo", "--unknown"), ("matches", "show"), ("nothing",),
])  # fmt: skip
def test_words_that_the_command_does_not_know_are_explained(folder, words):
    done = run(*words, folder=folder)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "part"), [
    (("demo", "--countries", "KH"), "two different countries"),
    (("demo", "--countries", "KH,KH"), "two different countries"),
    (("demo", "--countries", "KH,ZZ"), "No names are known for ZZ"),
    (("demo", "--overlap", "0.9"), "at most 0.2"),
    (("demo", "--broker", "rabbit"), "embedded or kafka"),
    (("matches", "grant", "M", "maybe", *NODE), "tell or hold"),
    (("case", "import", "people.csv", "--consent", "C3", *NODE), "--consent is C2, C9, or C4="),
    (("country", "serve"), "SAMAKI_HOME"),
])  # fmt: skip
def test_a_wrong_value_is_a_sentence_and_exit_code_2(folder, words, part):
    check_said(run(*words, folder=folder), 2, part)


@pytest.mark.parametrize(("words", "part"), [
    (("demo", "--from", "missing"), "two are needed"),
    (("demo", "--from", "one"), "KH.csv lacks the column prs_SecondName"),
    (("demo", "--pairs-out", "missing/pairs.csv"), "missing/pairs.csv cannot be written"),
    (("demo", "--capture", "token"), "token cannot be written"),
    (("matches", "list", *NODE[:3], "missing"), "The token file missing cannot be read"),
    (("case", "import", "missing.csv", *NODE), "missing.csv cannot be read"),
    (("audit", "streams", "--charter", "missing", "--bootstrap", "127.0.0.1:1"), "missing cannot be read"),
    (("audit", "streams", "--charter", "token", "--bootstrap", "127.0.0.1:1"), "token is no signed charter"),
    (("country", "serve", "--home", "missing", "--charter", "missing"), "missing cannot be read"),
])  # fmt: skip
def test_a_wrong_file_is_a_sentence_and_exit_code_3(folder, words, part):
    check_said(run(*words, folder=folder), 3, part)


@pytest.mark.parametrize("words", [
    ("matches", "list"), ("matches", "show", "M"), ("matches", "grant", "M", "hold"), ("case", "import", "people.csv"),
])  # fmt: skip
def test_a_node_that_does_not_answer_is_a_sentence_and_exit_code_4(folder, words):
    check_said(run(*words, *NODE, folder=folder), 4, "The node does not answer.")


def test_a_kafka_that_does_not_answer_is_a_sentence_and_exit_code_4(folder):
    done = run("demo", "--broker", "kafka", folder=folder, KAFKA_BOOTSTRAP="127.0.0.1:1")
    check_said(done, 4, "No broker answers at KAFKA_BOOTSTRAP.")
