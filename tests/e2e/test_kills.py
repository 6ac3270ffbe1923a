"""Parties killed without warning in the middle of the work, and started again: nobody notices it in the result."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from commands import run, until

from services.demo.people import invent
from services.demo.run import in_all
from services.demo.running import Running, running_region
from services.demo.world import World
from services.runtime.errors import PeerUnreachable

pytestmark = pytest.mark.long
COUNTRIES = ("KH", "LA", "TH")
PEOPLE = 80
PATIENCE = 120.0
SMALL_BATCHES = {"batch_limit": 50}
"""Ten people a batch, so that there is a half-way."""
Told = set[tuple[str, str, str, str, str]]
"""(country, its own record, the other country, state, band) of each match that a country was told."""


@pytest.fixture(scope="module")
def world() -> World:
    return invent(COUNTRIES, PEOPLE, overlap=0.3, seed=4)


@pytest.fixture(scope="module")
def undisturbed(world) -> Told:
    with at_work(world) as running:
        told = finished(running)
    assert {state for _, _, _, state, _ in told} == {"TOLD", "BOTH_TOLD"}  # else equal results would say little
    return told


@contextmanager
def at_work(world: World) -> Iterator[Running]:
    """A region where all is approved and the tokens are being made."""
    with running_region(COUNTRIES, PEOPLE, **SMALL_BATCHES) as running:
        officers = running.officers
        in_all(COUNTRIES, lambda country: officers.import_people(country, world))
        in_all(COUNTRIES, lambda country: officers.approve(country, world))
        yield running


def half_way(running: Running) -> None:
    """Until half of the publications have their tokens; and not all."""
    officers, seen = running.officers, []

    def half() -> bool:
        officers.all_published(lambda done, of: seen.append((done, of)))
        return seen[-1][0] * 2 >= seen[-1][1]

    running.wait(half, "half of the tokens", PATIENCE)
    assert seen[-1][0] < seen[-1][1]


def finished(running: Running) -> Told:
    officers = running.officers
    running.wait(officers.all_published, "the tokens", PATIENCE)
    running.wait(officers.all_told, "the matcher", PATIENCE)
    return {
        (country, match["reference"], match["other_country"], match["state"], match["band"])
        for country in COUNTRIES
        for match in officers.matches(country)
    }


def start_again(running: Running, party: str) -> None:
    """Start it, and wait until it answers under its new port."""
    running.start(party)
    running.wait(lambda: answers(running, party), party, PATIENCE)


def answers(running: Running, party: str) -> bool:
    try:
        return httpx.get(f"{running.officers.address(party)}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False  # the port of its former life


def waits_for_nothing_but(running: Running, country: str, pair: str) -> Callable[[], bool]:
    """The node says that this pair's holder is silent, or had all its answers before; nothing else is under way."""
    officers = running.officers

    def only() -> bool:
        status = officers.status(country)
        silent = {pair for pair, why in status["waits_for"].items() if "not answered" in why}
        return silent == set(status["open_batches"]) <= {pair}

    return only


def cut_short(running: Running, world: World) -> None:
    """TH's file is on its way in when its node is killed."""
    officers = running.officers
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(officers.import_people, "TH", world)
        until(lambda: officers.status("TH")["cases"] > 0, "the first cases")
        running.kill("TH")
        assert isinstance(importing.exception(), PeerUnreachable | type(None))


def test_a_key_holder_killed_half_way_costs_no_match_and_adds_none(world, undisturbed):
    with at_work(world) as running:
        half_way(running)
        running.kill("TH.holder")
        for country, pair in (("KH", "KH-TH"), ("LA", "LA-TH")):
            running.wait(waits_for_nothing_but(running, country, pair), f"{country} to go on without TH", PATIENCE)
        assert any(running.officers.status(country)["waits_for"] for country in ("KH", "LA", "TH"))
        start_again(running, "TH.holder")
        assert finished(running) == undisturbed


def test_the_matcher_killed_half_way_and_again_while_it_tells_costs_no_match_and_adds_none(world, undisturbed):
    with at_work(world) as running:
        half_way(running)
        running.kill("matcher")
        running.wait(running.officers.all_published, "the tokens, which need no matcher", PATIENCE)
        start_again(running, "matcher")
        officers = running.officers
        running.wait(lambda: sum(officers.status(country)["told"] for country in COUNTRIES) > 0, "the first match", PATIENCE)
        running.kill("matcher")
        start_again(running, "matcher")
        assert finished(running) == undisturbed


def test_a_country_node_killed_half_way_costs_no_match_and_adds_none(world, undisturbed):
    with at_work(world) as running:
        half_way(running)
        running.kill("TH")
        start_again(running, "TH")
        assert finished(running) == undisturbed


def renewed(running: Running, folder: Path, holder: str) -> dict[str, object]:
    """`samaki keys renew`, as this holder's custodian gives it."""
    region = running.region
    words = ("--pair", "KH-TH", "--reason", "compromise", "--home", region.home(holder), "--json")
    done = run("keys", "renew", *words, "--token-file", region.token_file(holder, "custodian"), folder=folder)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["renewals"]
    return row


def test_a_key_that_is_renewed_half_way_while_holder_and_node_are_killed_costs_no_match_and_adds_none(
    world, undisturbed, tmp_path
):
    with at_work(world) as running, ThreadPoolExecutor(2) as pool:
        half_way(running)
        commands = [pool.submit(renewed, running, tmp_path, holder) for holder in ("KH.holder", "TH.holder")]
        officers = running.officers
        running.wait(lambda: officers.status("KH")["renewing"], "the replay", PATIENCE)
        for party in ("KH", "LA.holder"):
            running.kill(party)
            start_again(running, party)
        assert [(c.result()["epoch"], c.result()["state"]) for c in commands] == [(2, "rest")] * 2
        assert finished(running) == undisturbed
        for country in ("KH", "TH"):
            running.wait(lambda cc=country: not officers.status(cc)["renewing"], "the end of the replay", PATIENCE)
        peppers = running.region.home("matcher") / "ring.json"
        running.wait(lambda: "destroyed" in peppers.read_text(), "the end of the former pepper", PATIENCE)
        assert finished(running) == undisturbed


def test_a_file_whose_import_was_cut_short_is_simply_sent_again(world, undisturbed):
    with running_region(COUNTRIES, PEOPLE, **SMALL_BATCHES) as running:
        officers = running.officers
        in_all(("KH", "LA"), lambda country: officers.import_people(country, world))
        cut_short(running, world)
        start_again(running, "TH")
        officers.import_people("TH", world)
        assert officers.status("TH")["cases"] == PEOPLE
        in_all(COUNTRIES, lambda country: officers.approve(country, world))
        assert finished(running) == undisturbed
