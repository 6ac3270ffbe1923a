"""The command's side of a node's API: import a file, look at matches, set a grant."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.table import Table

from events.erasure import WHY
from services.runtime.errors import InputInvalid, PeerUnreachable, SettingsInvalid

_PATIENCE = httpx.Timeout(10.0, read=1800.0)


class NodeClient:
    """Speaks to one service as one officer. Raises PeerUnreachable, InputInvalid, SettingsInvalid.

    `called` and `option` are what errors name the process that is spoken to, and the command's option with its address.
    """

    def __init__(
        self, address: str, token: str, role: str | None = None, *, called: str = "node", option: str = "--node"
    ) -> None:
        self._called, self._option = called, option
        headers = {"Authorization": f"Bearer {token}"} | ({"Samaki-Role": role} if role else {})
        try:
            self._http = httpx.Client(base_url=address, headers=headers, timeout=_PATIENCE, trust_env=False)
        except httpx.InvalidURL as error:
            raise SettingsInvalid(self._no_address()) from error

    @classmethod
    def from_file(
        cls, address: str, token_file: Path, *, called: str = "node", option: str = "--node"
    ) -> "NodeClient":
        """With the token in a file. Raises InputInvalid if it cannot be read."""
        try:
            token = token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputInvalid(f"The token file {token_file} cannot be read. Ask your administrator for it.") from error
        return cls(address, token, called=called, option=option)

    def get(self, path: str) -> Any:
        return self._answer("GET", path)

    def post(self, path: str, form: Mapping[str, Any]) -> Any:
        return self._answer("POST", path, json=form)

    def import_csv(self, data: bytes, stated: Mapping[str, Any]) -> Any:
        """Send a file of people. Returns the node's report."""
        return self._answer(
            "POST",
            "/api/imports",
            files={"file": ("people.csv", data, "text/csv")},
            data={"stated": json.dumps(stated)},
        )

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def _answer(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.InvalidURL as error:
            raise SettingsInvalid(self._no_address()) from error
        except httpx.HTTPError as error:
            raise PeerUnreachable(
                f"The {self._called} does not answer. Is {self._option} its address, and is it running?"
            ) from error
        if answer.is_server_error:
            raise PeerUnreachable(self._sentence(answer))
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise InputInvalid(
                f"The {self._called} does not know this token. Is it the one for this {self._called}, and your newest?"
            )
        if answer.is_error:
            raise InputInvalid(self._sentence(answer))
        try:
            return answer.json()
        except ValueError as error:
            raise PeerUnreachable(
                f"What answers there is no {self._called} of ours. Is {self._option} its address?"
            ) from error

    def _no_address(self) -> str:
        return f"{self._option} is written http://127.0.0.1:PORT."

    def _sentence(self, answer: httpx.Response) -> str:
        try:
            return str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return f"The {self._called} answered {answer.status_code}."


def stated(consents: Sequence[str], *, ask: bool, guardian: str | None = None) -> dict[str, Any]:
    """`C2`, `C9`, `C4=TH,VN` as the node takes them. Raises SettingsInvalid."""
    out: dict[str, Any] = {"ask": ask, "guardian": guardian}
    for one in consents:
        purpose, _, countries = one.partition("=")
        if purpose in {"C2", "C9"} and not countries:
            out[purpose.lower()] = True
        elif purpose == "C4" and countries:
            out["c4"] = countries.split(",")
        else:
            raise SettingsInvalid("--consent is C2, C9, or C4= and countries: C4=TH,VN.")
    return out


def import_file(
    node: str, token_file: Path, file: Path, consents: Sequence[str], *, ask: bool, guardian: str | None, rejected: Path
) -> bool:
    """Import, report on standard error, and write the refused rows. Returns whether any was refused."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputInvalid(f"{file} cannot be read ({error.strerror}).") from error
    client = NodeClient.from_file(node, token_file)
    with console.status("Importing ..."):
        report = client.import_csv(data, stated(consents, ask=ask, guardian=guardian))
    for one in report["rejects"]:
        console.print(f"row {one['row']}, {one['column']}: {one['reason']}", markup=False, highlight=False)
    unwritten = write_rejected(rejected, report["rejects"]) if report["rejects"] else None
    console.print(
        f"{report['cases']} cases opened, {report['with_identifiers']} with identifiers; {report['asked']} publications"
        f" wait for a focal point; {len(report['rejects'])} rows refused"
        + (f", listed in {rejected}." if report["rejects"] and unwritten is None else "."),
        markup=False,
        highlight=False,
    )
    if unwritten is not None:
        raise InputInvalid(
            f"{rejected} cannot be written ({unwritten.strerror}), but the good rows are in: mend those that are named"
            " above, and import them in a file of their own."
        )
    return bool(report["rejects"])


def write_rejected(path: Path, rejects: Sequence[Mapping[str, Any]]) -> OSError | None:
    """row, column, reason: nothing of the row itself. Returns why they could not be written, if they could not."""
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("row", "column", "reason"))
            writer.writerows((r["row"], r["column"], r["reason"]) for r in rejects)
    except OSError as error:
        return error
    return None


def list_matches(node: str, token_file: Path, *, as_json: bool) -> None:
    rows = NodeClient.from_file(node, token_file).get("/api/matches")
    if as_json:
        print(json.dumps({"matches": rows}))  # noqa: T201  the command's answer
        return
    table = Table(title=f"{len(rows)} matches", title_justify="left")
    for column in ("Match", "Our record", "Other country", "Told", "Evidence", "Decide by"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row["match_ref"],
            row["reference"] or row["case_id"][:8],
            row["other_country"],
            row["state"].lower(),
            row["band"],
            row["decide_by"][:10],
        )
    Console().print(table)


def show_match(node: str, token_file: Path, ref: str, *, as_json: bool) -> None:
    match = NodeClient.from_file(node, token_file).get(f"/api/matches/{quote(ref, safe='')}")
    if as_json:
        print(json.dumps(match))  # noqa: T201  the command's answer
        return
    table = Table(show_header=False)
    for name, value in match.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


def grant_match(node: str, token_file: Path, ref: str, grant: str, reason: str) -> None:
    if grant not in {"tell", "hold"}:
        raise SettingsInvalid("A grant is tell or hold.")
    answer = NodeClient.from_file(node, token_file).post(
        f"/api/matches/{quote(ref, safe='')}/grant", {"grant": grant, "reason": reason}
    )
    said = {"set": "The grant is set.", "awaits_second_person": "A second person must sign; it waits on their list."}
    print(said[answer["state"]])  # noqa: T201  the command's answer


def ask_erasure(node: str, token_file: Path, case_id: str, basis: str) -> None:
    if basis not in WHY:
        raise SettingsInvalid(f"A basis is one of {', '.join(WHY)}.")
    NodeClient.from_file(node, token_file).post(f"/api/cases/{quote(case_id, safe='')}/erasure", {"basis": basis})
    print("A key custodian must sign within seven days; it waits on their list.")  # noqa: T201  the command's answer


def erasures(node: str, token_file: Path, *, sign: str | None, decline: str | None, as_json: bool) -> None:
    client = NodeClient.from_file(node, token_file)
    if sign:
        client.post(f"/api/erasures/{quote(sign, safe='')}/signature", {})
        print("Erased. No copy of this person's history can be read again.")  # noqa: T201  the command's answer
        return
    if decline:
        client.post(f"/api/erasures/{quote(decline, safe='')}/refusal", {})
        print("Declined.")  # noqa: T201  the command's answer
        return
    rows = client.get("/api/erasures")
    if as_json:
        print(json.dumps({"erasures": rows}))  # noqa: T201  the command's answer
        return
    table = Table(title=f"{len(rows)} erasures wait for a key custodian", title_justify="left")
    for column in ("Request", "Case", "Because", "Asked by", "Asked"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["id"], row["case_id"], WHY[row["basis"]], row["asked_by"], row["asked_at"][:10])
    Console().print(table)
