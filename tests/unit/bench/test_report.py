import io
import json

import pytest
from rich.console import Console

from services.bench import report
from services.bench import run as bench
from services.bench.measure import Figure, Pair
from services.runtime.errors import SettingsInvalid


def figure(name="store-replayed/sqlite", what="replay; bare: the recorder"):
    return Figure.of(name, what, "events/s", 2000, [Pair(10_000.0, 40_000.0), Pair(9_000.0, 45_000.0)])


@pytest.fixture
def one_bench(monkeypatch):
    """A bench that measures at once, in the place of all."""
    settings = []

    def measure(setting):
        settings.append(setting)
        (setting.work / "something").write_text("left behind")
        yield figure()

    monkeypatch.setattr(bench, "BENCHES", {"store": measure, "other": measure})
    return settings


def test_json_is_one_object_with_the_machine_and_every_bench(one_bench, capsys):
    bench.run(None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {"cpu", "cores", "memory_gb", "python", "backend", "date"} <= set(found["machine"])
    assert len(found["benches"]) == 2
    assert found["benches"][0] == {
        "name": "store-replayed/sqlite",
        "what": "replay; bare: the recorder",
        "unit": "events/s",
        "ours": 9_500.0,
        "baseline": 42_500.0,
        "ratio": 0.225,
        "n": 2000,
        "runs": [{"ours": 10_000.0, "baseline": 40_000.0}, {"ours": 9_000.0, "baseline": 45_000.0}],
    }


def test_one_bench_can_be_chosen_and_leaves_nothing_behind(one_bench, capsys):
    bench.run("other", as_json=True)
    assert len(json.loads(capsys.readouterr().out)["benches"]) == 1
    assert [s.work.name for s in one_bench] == ["other"]
    assert not one_bench[0].work.parent.exists()


def test_an_unknown_bench_is_refused_with_the_names_of_those_there_are(capsys):
    with pytest.raises(SettingsInvalid, match=r"token-country, .*memory, not 'sotre'"):
        bench.run("sotre", as_json=True)
    assert capsys.readouterr().out == ""


def test_the_table_fits_a_terminal_of_80_columns_and_cuts_no_figure():
    out = io.StringIO()
    console = Console(file=out, width=80)
    machine = {"cpu": "c", "cores": 2, "memory_gb": 8.0, "load": 0.1, "python": "3", "backend": "rbcl", "date": "d"}
    wide = Figure.of("token-country/libsodium", "hash", "µs CPU/token", 512, [Pair(391.8, 57_991.9)])
    report.show(console, machine, [wide, figure()])
    assert max(map(len, out.getvalue().splitlines())) <= 80
    for shown in ("token-country/libsodium", "392", "57,992", "(0.20-0.25)", "µs CPU/token", "events/s"):
        assert shown in out.getvalue()


def test_what_is_measured_on_two_backends_is_explained_once():
    out = io.StringIO()
    grid = report._meanings([figure("token/a", "the work"), figure("token/b", "the work"), figure("store/a", "more")])
    Console(file=out, width=80).print(grid)
    assert [line.split() for line in out.getvalue().splitlines()] == [["token", "the", "work"], ["store", "more"]]
