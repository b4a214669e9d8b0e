"""Who is answered, and with what: nobody without the token, no other origin, no name but this machine's."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.errors import UsageError
from nnrun.files import to_json
from nnrun.runs.finding import list_runs
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.watching import starting
from nnrun.watching.server import MOST_SILENT, Handler, Server
from nnrun.watching.verbs import begin
from tests.cli.conftest import SECONDS

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run."""
    root = tmp_path_factory.mktemp("watched") / HOSTILE / "runs"
    nnrun.train({"name": "a", "data": {"source": "iris"}, "training": {"epochs": 3}}, root)
    return root


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    yield from serving(begin(root, 0))


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def ask(server: Server, path: str, token: str | None = None, method: str = "GET", body: object = None,
        **headers: str) -> tuple[int, str]:  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=SECONDS)
    given = server.token if token is None else token
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body) if body else None
    connection.request(method, f"{path}{'&' if '?' in path else '?'}token={given}", content, sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def the_run(root: Path) -> str:
    return next(root.glob("[!.]*")).name


def test_the_page_runs_its_own_script_alone_and_its_folder_is_text(server: Server) -> None:
    status, text = ask(server, "/")
    assert status == 200
    assert HOSTILE not in text
    assert re.search(r'id="state" role="status"></span>.*<noscript>.*nnrun watch --text', text, re.DOTALL)
    assert [ask(server, path)[0] for path in ("/plotly.js", "/uplot.js")] == [200, 200]


@pytest.mark.skipif(sys.platform == "darwin", reason="its names are UTF-8 alone")
def test_the_folder_may_have_a_name_that_is_not_utf_8(root: Path, tmp_path: Path) -> None:
    (strange := tmp_path / "r\udcff").symlink_to(root)
    for server in serving(begin(strange, 0)):
        server.folder.look()
        assert [ask(server, path)[0] for path in ("/", f"/report?id={the_run(root)}")] == [200, 200]


def test_a_run_is_told_in_full(server: Server, root: Path) -> None:
    assert json.loads(ask(server, "/selected")[1]) == [the_run(root)]
    status, text = ask(server, f"/run?id={the_run(root)}")
    assert (status, json.loads(text)["id"]) == (200, the_run(root))
    assert json.loads(ask(server, "/selected?filter=status%3Dfailed")[1]) == []
    status, text = ask(server, "/selected?filter=statu%3Ddone")
    assert (status, "did you mean status" in text) == (400, True)


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize("path", ["/", "/plotly.js", "/uplot.js", "/run?id=x", "/selected", "/stream"])
def test_without_the_token_nothing_is_answered(server: Server, path: str, token: str) -> None:
    import urllib.parse

    assert ask(server, path, urllib.parse.quote(token))[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:80"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Host": "localhost:9999", "Origin": "http://localhost:80"},  # another server of this machine
    ],
)
def test_another_origin_and_another_name_are_refused(server: Server, headers: dict[str, str]) -> None:
    assert ask(server, "/selected", **headers)[0] == 403
    assert ask(server, "/act", method="POST", body={"do": "stop"}, X_Token=server.token, **headers)[0] == 403


def test_any_port_will_do_as_a_tunnel_may_have_another(server: Server) -> None:
    assert ask(server, "/selected", Host="localhost:9999", Origin="http://localhost:9999")[0] == 200


@pytest.mark.parametrize("name", ["../..", "..%2F..%2Fetc%2Fpasswd", "%2Fetc", ".cache", "nothing", ""])
def test_no_name_leads_out_of_the_folder(server: Server, name: str) -> None:
    ask(server, "/selected")
    assert ask(server, f"/run?id={name}")[0] == 404
    assert ask(server, f"/{name}")[0] in (200, 404)


def act(server: Server, body: object, **headers: str) -> tuple[int, str]:
    return ask(server, "/act", method="POST", body=body, **{"Content_Type": "application/json", **headers})


def test_asking_needs_the_token_in_a_header(server: Server, root: Path) -> None:
    ask(server, "/selected")
    asked = {"do": "pause", "id": the_run(root)}
    assert act(server, asked)[0] == 403
    assert act(server, asked, X_Token="wrong")[0] == 403
    status, text = act(server, asked, X_Token=server.token)
    assert (status, "is not being trained" in text) == (400, True)  # the words are those of `nnrun pause`


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the end of what is started, which takes seconds to begin on a busy machine."""
    monkeypatch.setattr(starting, "SECONDS_TO_REFUSE", SECONDS)


@pytest.mark.usefixtures("patient")
def test_what_is_started_is_told_as_it_can_be_typed(root: Path, tmp_path: Path) -> None:
    """Its refusals are those of the command, whatever stands in place of an epoch."""
    own = Path(shutil.copytree(root, tmp_path / "runs"))
    asked = {"do": "rewind", "id": the_run(own), "to": "2", "settings": ["optimizer.learning_rate=0.01"]}
    for server in serving(begin(own, 0)):
        ask(server, "/selected")
        status, text = act(server, asked | {"to": "--help"}, X_Token=server.token)
        assert (status, "--help" in text, "Traceback" in text) == (400, True, False)
        told = json.loads(act(server, asked, X_Token=server.token)[1])["told"].removeprefix("started: ")
    subprocess.run([sys.executable, "-m", *shlex.split(told)], check=True, capture_output=True)
    children = [run for run in list_runs(own) if run.id != asked["id"]]
    assert len(children) == 2
    assert len({(run.path / "metrics.jsonl").read_text().count("\n") for run in children}) == 1


@pytest.mark.parametrize("recorded", ["running", "failed"])
def test_a_run_that_was_killed_or_failed_is_resumed(root: Path, tmp_path: Path, recorded: str) -> None:
    """Nobody holds it, whatever its record says of it."""
    own = Path(shutil.copytree(root, tmp_path / "runs"))
    RunDir(own / the_run(own)).update_record(status=recorded)
    for server in serving(begin(own, 0)):
        ask(server, "/selected")
        status, text = act(server, {"do": "resume", "id": the_run(own)}, X_Token=server.token)
        assert (status, json.loads(text)["told"].startswith("started: nnrun resume ")) == (200, True)


@pytest.mark.usefixtures("patient")
def test_settings_beside_a_resume_make_a_child_or_are_refused(root: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(root, tmp_path / "runs"))
    run = RunDir(own / the_run(own))
    run.update_record(status="failed")
    asked = {"do": "resume", "id": run.id, "settings": ["optimizer.learning_rate=0.01", "training.epochs=4"]}
    for server in serving(begin(own, 0)):
        ask(server, "/selected")
        told = json.loads(act(server, asked, X_Token=server.token)[1])["told"]
        assert told.startswith(f"started: nnrun resume {run.id} --set=optimizer.learning_rate=0.01")
        (child,) = [one for one in list_runs(own) if one.id != run.id]
        assert StoredRun(child).config.optimizer.learning_rate == 0.01
        for status, do in (("paused", "resume"), ("running", "pause")):
            run.update_record(status=status)
            with run.locked():
                code, text = act(server, {**asked, "do": do}, X_Token=server.token)
            assert (code, "--set has no meaning for" in text) == (400, True), text


@pytest.mark.parametrize(
    "body",
    [
        {"do": "rm", "id": "x"},
        {"do": "ensemble", "ids": ["x", "y"]},
        {"do": "rewind", "id": "x", "to": 3},
        {"do": "stop"},
        [1],
        {"do": "stop", "id": "x", "settings": [1]},
        {"do": "stop", "id": "nothing"},
    ],
)
def test_what_cannot_be_asked_for_is_refused(server: Server, body: object) -> None:
    assert act(server, body, X_Token=server.token)[0] == 400


NO_WISH = "there is no such run, or it cannot be asked for that"


@pytest.mark.parametrize(
    "words",
    [
        {"do": "\ud800"},
        {"do": "rewind", "to": "\0"},
        {"do": "rewind", "settings": ["name=\0"]},
        {"do": "rewind", "settings": ["name=\ud800"]},
        {"do": "pause", "note": "\ud800"},
    ],
)
def test_what_no_command_can_be_told_is_refused(server: Server, root: Path, words: dict[str, object]) -> None:
    ask(server, "/selected")
    assert act(server, {"id": the_run(root), **words}, X_Token=server.token) == (400, NO_WISH)


def test_what_cannot_be_read_is_answered(server: Server) -> None:
    assert act(server, b"[" * 60_000, X_Token=server.token) == (400, NO_WISH)
    for method in ("GET", "POST"):
        assert ask(server, "x://[/", method=method) == (400, "this is no address")


def test_a_body_that_is_too_large_or_none_is_refused(server: Server) -> None:
    assert act(server, {"do": "x" * 100_000}, X_Token=server.token)[0] == 400
    assert act(server, None, X_Token=server.token)[0] == 400
    for length in ("many", "-1", "1e9"):
        assert act(server, {"do": "stop"}, X_Token=server.token, Content_Length=length)[0] == 400


def test_read_only_there_is_no_way_to_ask(root: Path) -> None:
    for server in serving(begin(root, 0, read_only=True)):
        assert act(server, {"do": "stop", "id": the_run(root)}, X_Token=server.token)[0] == 404
        assert ask(server, "/selected")[0] == 200


def events(server: Server, chosen: str, count: int) -> list[tuple[str, Any]]:
    """The first so many of a stream."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", f"/stream?token={server.token}&run={chosen}")
    answer = connection.getresponse()
    found = []
    while len(found) < count:
        event, data = answer.readline().decode(), answer.readline().decode()
        answer.readline()
        found.append((event.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))))
    connection.close()
    return found


def test_rows_and_the_points_of_the_chosen_run_are_streamed(server: Server, root: Path) -> None:
    (first, rows), (second, curve) = events(server, the_run(root), 2)
    assert (first, second) == ("rows", "curve")
    assert [row["id"] for row in rows["rows"]] == [the_run(root)]
    assert (curve["generation"], [point[-1] for point in curve["points"]]) == (1, [1, 2, 3])


def test_a_curve_is_read_on_only_where_a_file_of_its_run_has_changed(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    curve = server.folder.curve
    monkeypatch.setattr(server.folder, "curve", lambda name: asked.append(server.folder.looks) or curve(name))
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.extend(events(server, the_run(root), 4)))
    reader.start()
    given_up = time.monotonic() + 20
    while not asked or server.folder.looks < asked[0] + 3:
        assert time.monotonic() < given_up
        time.sleep(0.02)
    assert len(asked) == 1
    with (root / the_run(root) / EPOCHS).open("a") as file:
        file.write(to_json({**RunDir(root / the_run(root)).metrics()[-1], "epoch": 4}) + "\n")
    reader.join(20)
    assert [name for name, _ in found] == ["rows", "curve", "rows", "curve"]
    assert [point[0] for point in found[-1][1]["points"]] == [4]


def test_readers_who_say_nothing_keep_nobody_waiting(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: of those who have not asked for anything some are let go."""
    monkeypatch.setattr(Handler, "timeout", 600)  # else all would go by themselves
    before, silent = threading.active_count(), list[socket.socket]()
    try:
        for _ in range(3 * MOST_SILENT):
            silent.append(socket.create_connection(("127.0.0.1", server.server_port)))
            silent[-1].sendall(b"GET / HT")
        assert ask(server, "/selected")[0] == 200
        given_up = time.monotonic() + 60
        while threading.active_count() - before > MOST_SILENT + 10:  # who is let go takes a moment
            assert time.monotonic() < given_up
            time.sleep(0.05)
    finally:
        for each in silent:
            each.close()


def test_a_port_that_is_taken_is_said_and_another_is_found(server: Server, root: Path) -> None:
    with pytest.raises(UsageError, match="cannot be listened on"):
        begin(root, server.server_port)
    with pytest.raises(UsageError, match="not a folder"):
        begin(next(root.glob("[!.]*/run.json")))
