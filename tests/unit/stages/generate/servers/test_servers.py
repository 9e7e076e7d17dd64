"""Servers that the build starts: real processes, shared, watched, started again, and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
from folders import TESTS
from gpus import FAKE_NVML, end_job, with_cards

from imagemake.config.job_settings import JobSettings
from imagemake.config.server import Server
from imagemake.config.started_server import StartedServer
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.http.network import proxy_to
from imagemake.stages.generate.calls import StoppedError, ToldToStopError
from imagemake.stages.generate.gpu import hold_gpu
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.servers import ending, lease
from imagemake.stages.generate.servers.ending import sweep_servers
from imagemake.stages.generate.servers.lease import ServerGoneError, begin_run, end_run, lease_of
from imagemake.stages.generate.servers.of_job import NO_PROXY, _go_past_proxies
from imagemake.stages.generate.servers.place import MARK, RUN, processes
from imagemake.store.items import Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.layout import stopping_file
from imagemake.store.progress import JobProgress, no_progress
from imagemake.store.store import Store

PYTHON = (sys.executable, "-I", "-S")
_held = []


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project of its own, whose servers all have ended when the test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # short enough for a socket, or /tmp is used
    monkeypatch.delenv(RUN, raising=False)
    monkeypatch.delenv(MARK, raising=False)
    for name in NO_PROXY:  # jobs change these, which are to be as before after a test
        monkeypatch.setenv(name, os.environ.get(name, ""))
    yield tmp_path
    while _held:
        _held.pop().release()
    end_run(tmp_path)
    wait_until(lambda: not ours(tmp_path))


def ours(folder):
    """Live processes that were started in a folder, without this one."""
    found = []
    for seen in processes():
        with suppress(OSError):
            if Path(f"/proc/{seen.pid}/cwd").readlink() == folder and seen.pid != os.getpid():
                found.append(seen.pid)
    return found


def wait_until(claim, longest_s=20):
    """Wait until something is so."""
    ends = time.monotonic() + longest_s
    while not claim():
        assert time.monotonic() < ends, "this does not come true"
        time.sleep(0.02)


def server(*manners, **settings):
    command = [*PYTHON, str(TESTS / "small_server.py"), "{port}", *manners]
    to_start = StartedServer(command=command, **{"ready": "/health", "stop_s": 5.0, "ready_s": 20.0, **settings})
    return Server("openai", None, to_start=to_start, command=to_start.command_for("m"))


def held(one, waiting=lambda words: None):
    _held.append(lease_of(one, waiting))
    return _held[-1]


def ask(address, path="/"):
    """Ask a server that may just have ended, as a job does: a call without an answer is tried again."""
    for _ in range(50):
        with suppress(OSError), urlopen(f"{address}{path}", timeout=20) as answer:
            return json.load(answer)
        time.sleep(0.02)
    raise AssertionError("no answer")


def crash(address):
    """Make a server end in the middle of a call."""
    with pytest.raises(OSError):
        urlopen(f"{address}/crash", timeout=20)


def watched(hold):
    """Watch a lease in a thread; return what it ends with, once it does."""
    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(hold.watch())), daemon=True)
    thread.start()
    return thread, found


def test_a_server_serves_all_jobs_and_ends_with_the_last(project):
    first, second = held(server("has-child")), held(server("has-child"))
    assert ask(first.address)["pid"] == ask(second.address)["pid"], "it is started once"
    first.release()
    assert ask(second.address)["pid"] > 0
    second.release()
    wait_until(lambda: not ours(project))


def test_commands_for_two_models_are_two_servers():
    one, other = held(server("a")), held(server("b"))
    assert (ask(one.address)["arguments"], ask(other.address)["arguments"]) == (["a"], ["b"])
    one.release()
    other.release()


def test_the_run_keeps_a_server_between_its_jobs_and_a_killed_run_ends_it(project, monkeypatch):
    run = subprocess.Popen(["sleep", "600"], cwd="/")
    monkeypatch.setenv(RUN, lease.process_mark(run.pid))
    first = held(server())
    pid = ask(first.address)["pid"]
    first.release()
    second = held(server())
    assert ask(second.address)["pid"] == pid
    second.release()
    time.sleep(0.3)
    assert pid in ours(project), "no job needs it, and the run may"
    run.kill()
    run.wait()
    wait_until(lambda: not ours(project))


def test_a_run_that_ends_waits_until_its_servers_have_ended(project):
    begin_run()
    held(server()).release()
    assert ours(project)
    end_run(project)
    wait_until(lambda: not ours(project), 2)


def test_a_server_outlives_no_job_that_is_killed(project):
    code = (
        f"import sys, time; sys.path[:0] = {[str(TESTS / 'unit/stages/generate/servers'), str(TESTS)]!r}\n"
        "from test_servers import held, server\nheld(server()); print('held', flush=True); time.sleep(600)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"held\n"
    assert len(ours(project)) == 3
    job.kill()
    job.wait()
    job.stdout.close()
    wait_until(lambda: not ours(project))


def test_a_server_that_ends_is_started_again_at_the_same_address_within_bounds(project, capfd):
    hold = held(server(restarts=2))
    thread, found = watched(hold)
    pids = [ask(hold.address)["pid"]]
    for _ in range(2):
        crash(hold.address)
        pids.append(ask(hold.address)["pid"])  # waits until it is ready
    assert len(set(pids)) == 3
    assert not found
    crash(hold.address)
    thread.join(20)
    (error,) = found
    assert "ended with exit status 7; it is not started again after 2 restarts within an hour" in str(error)
    assert error.remedy.splitlines()[-1] == "  about to crash", "the last lines of its log"
    said = capfd.readouterr().err
    assert "it is started again (1 of 2). logs/servers/" in said
    assert "it is started again (2 of 2)" in said
    with pytest.raises(ServerGoneError, match="exit status 7"):
        held(server(restarts=2))  # the next job is told at once
    assert not [seen for seen in processes() if seen.pid in pids]
    hold.release()


def test_a_server_that_ends_before_it_is_ready_is_a_fault_of_the_configuration(project):
    with pytest.raises(ServerGoneError) as raised:
        held(server("exits"))
    assert "exit status 2, before it was ready" in str(raised.value)
    log = next(project.glob("logs/servers/*.log"))
    assert log.read_text().count("imagemake starts") == 1
    assert raised.value.remedy.splitlines()[-2:] == ["  loading \\x1b[31mweights", "  no such weights"]
    assert raised.value.exit_code == 3


def test_a_start_that_fails_after_the_server_ran_counts_as_a_restart(project):
    hold = held(server("once", str(project / "seen"), restarts=1))
    thread, found = watched(hold)
    crash(hold.address)
    thread.join(20)
    assert "before it was ready; it is not started again after 1 restart within an hour" in str(found[0])
    assert "the second start fails" in found[0].remedy
    hold.release()


@pytest.mark.parametrize(("command", "told"), [("no-such-program-17", "No such file"), (str(TESTS), "Permission")])
def test_a_program_that_is_not_there_is_told(command, told):
    to_start = StartedServer(command=[command, "{port}"])
    with pytest.raises(ServerGoneError, match=f"cannot be started: {told}"):
        held(Server("openai", None, to_start=to_start, command=to_start.command_for("m")))


def test_a_server_that_is_never_ready_is_given_up_in_time_and_ended(project):
    words = []
    with pytest.raises(ServerGoneError, match=r"not ready after 1.5 s: http://127.0.0.1:\d+/health does not answer"):
        held(server("never-ready", ready_s=1.5), words.append)
    assert any("loading \\x1b[31mweights" in one for one in words), "the last line of its log tells what it does"
    assert not any("imagemake starts" in one for one in words), "and not what we wrote there"
    wait_until(lambda: not ours(project))


def test_a_server_that_ignores_sigterm_is_killed_with_its_children(project):
    hold = held(server("ignores-term", "has-child", stop_s=0.3))
    assert len(ours(project)) == 3
    hold.release()
    wait_until(lambda: not ours(project))


def test_what_a_killed_supervisor_leaves_dies_with_it_or_is_swept(project):
    hold, other = held(server("has-child")), held(server("other"))
    pid = ask(hold.address)["pid"]
    os.kill(_parent(pid), signal.SIGKILL)  # the supervisor
    wait_until(lambda: pid not in ours(project))
    assert "was killed" in str(asyncio.run(hold.watch()))
    assert sweep_servers() == 1, "its child in another session"
    assert ask(other.address)["pid"], "a server with a supervisor stays"
    assert sweep_servers() == 0
    hold.release()
    again = held(server("has-child"))
    assert ask(again.address)["pid"] != pid
    again.release()
    other.release()


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_several_servers_share_the_calls_and_the_gpus_and_one_may_be_lost(monkeypatch, capfd):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 3,5")
    hold = held(server(copies="auto", gpus=1, restarts=0))
    _, found = watched(hold)
    seen = {}
    wait_until(lambda: len(_add_all(seen, hold.address)) == 3)
    assert sorted(seen.values()) == ["3", "5", "GPU-a"]
    crash(hold.address)
    assert ask(hold.address)["pid"]
    wait_until(lambda: "one of 3 servers ended with exit status 7" in capfd.readouterr().err)
    assert not found
    hold.release()


def _add_all(seen, address):
    """Add what answers while three connections are open at once."""
    from http.client import HTTPConnection

    connections = [HTTPConnection(address.removeprefix("http://"), timeout=20) for _ in range(3)]
    for one in connections:
        one.request("GET", "/")
        told = json.load(one.getresponse())
        seen[told["pid"]] = told["gpus"]
    for one in connections:
        one.close()
    return seen


def test_too_few_gpus_are_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ServerGoneError, match="it needs 2 GPUs, and 1 can be used on this machine"):
        held(server(gpus=2))


@pytest.fixture
def machine(monkeypatch, project):
    """Gives this process, and the supervisors that it starts, a number of cards."""

    def with_n(n):
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKE_NVML), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setenv("FAKE_NVML_LOCKS", str(project / "locks"))
        (project / "locks").mkdir()
        return with_cards(monkeypatch, n, project / "locks")

    yield with_n
    end_job()


@pytest.fixture
def run(monkeypatch):
    """A run that the servers of this test belong to."""
    process = subprocess.Popen(["sleep", "600"], cwd="/")
    monkeypatch.setenv(RUN, lease.process_mark(process.pid))
    yield process
    process.kill()
    process.wait()


def gpus_of(hold):
    return ask(hold.address)["gpus"]


def test_two_servers_get_cards_of_their_own_until_they_end_or_are_killed(machine):
    machine(2)
    one, other = held(server("a", gpus=1)), held(server("b", gpus=1))
    cards = {gpus_of(one), gpus_of(other)}
    assert cards == {"0", "1"}
    told = r"after 0\.1 s it still waits for 1 GPU; taken: .*fake\) by the server .* \(process \d+\); NVIDIA Fake 100"
    with pytest.raises(ServerGoneError, match=told):
        held(server("c", gpus=1, ready_s=0.1))
    killed = gpus_of(one)
    os.kill(_parent(ask(one.address)["pid"]), signal.SIGKILL)
    assert gpus_of(held(server("d", gpus=1))) == killed
    free = gpus_of(other)
    other.release()
    assert gpus_of(held(server("e", gpus=1))) == free


def test_a_job_and_a_server_never_share_a_card_and_both_get_those_that_were_given_back(machine, monkeypatch):
    fake = machine(3)
    pair = held(server("pair", gpus=1, copies=2))
    assert hold_gpu(None, no_progress(), print).uuid == fake.CARDS[2].uuid
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")  # a job sets it for itself only
    waits = []

    def waiting(words):
        if "waits for 1 GPU" in words and not waits:
            waits.append(words)
            end_job()

    assert gpus_of(held(server("late", gpus=1), waiting)) == "2"
    assert f"by the server {Path(sys.executable).name}" in waits[0]
    pair.release()
    job = hold_gpu(None, no_progress(), print)  # waits until the pair has ended
    assert job.uuid in {card.uuid for card in fake.CARDS[:2]}


def test_as_many_copies_start_as_cards_are_free(machine):
    machine(3)
    hold_gpu("cuda:1", no_progress(), print)
    hold = held(server(copies="auto", gpus=1))
    seen = {}
    wait_until(lambda: len(_add_all(seen, hold.address)) == 2)
    assert sorted(seen.values()) == ["0", "2"]


def test_only_cards_that_the_user_shows_are_held_and_by_the_names_that_the_user_gave(machine, monkeypatch):
    machine(3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-00000001-fake")
    assert gpus_of(held(server(gpus=2))) == "2,GPU-00000001-fake"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpus_of(held(server("other", gpus=1))) == "0"


def test_a_server_that_sees_all_cards_holds_none(machine):
    machine(1)
    assert gpus_of(held(server())) is None
    assert hold_gpu(None, no_progress(), print) is not None


def test_nobody_waits_for_a_card_that_a_server_keeps_until_the_same_run_ends(machine, run):
    machine(1)
    held(server(gpus=1)).release()
    told = r"in vain; taken until this run ends: NVIDIA Fake 100 \(GPU-00000000-fake\) by the server "
    with pytest.raises(StoppedError, match=told):
        hold_gpu(None, no_progress(), print)
    with pytest.raises(ServerGoneError, match=f"cannot be started: .*{told}"):
        held(server("other", gpus=1, ready_s=600.0))


def test_a_server_that_is_given_up_gives_its_card_back_while_the_run_goes_on(machine, run):
    machine(1)
    with pytest.raises(ServerGoneError, match="ended after"):
        held(server("exits", gpus=1))
    assert hold_gpu(None, no_progress(), print) is not None


def test_a_server_that_waits_for_a_card_ends_when_nobody_needs_it_anymore(machine, project):
    machine(1)
    hold_gpu(None, no_progress(), print)

    def stop(words):
        if "taken" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held(server(gpus=1), stop)
    wait_until(lambda: not ours(project))


def test_who_waits_can_be_told_to_stop(project):
    def stop(words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held(server("slow"), stop)
    wait_until(lambda: not ours(project))


def test_a_folder_that_others_can_write_holds_no_socket(monkeypatch, project):
    folder = project / f"imagemake-servers-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(project))
    monkeypatch.setattr("imagemake.stages.generate.servers.place.LONGEST_FOLDER", 200)
    with pytest.raises(lease.NotReadyError, match="not a folder of yours alone"):
        held(server())
    folder.chmod(0o700)


def test_a_program_of_somebody_else_is_never_swept(monkeypatch):
    marks = ["", "other-boot:1:2:0", f"{lease.process_mark(os.getpid())}:0"]
    assert not any(map(ending._is_left, marks))
    assert ending._is_left(f"{lease.process_mark(os.getpid())}9:0"), "the number of an ended process, used again"


def job(folder, *manners, **settings):
    """Return a job whose two images come from a small server, and these images."""
    to_start = server(*manners, **settings).to_start
    model = {"provider": "openai", "name": "m", "server": to_start.model_dump()}
    job_settings = JobSettings({"model": model, "limits": {"first_wait_s": 0.01}})
    recipes = [Recipe("openai", "m", prompt, 0) for prompt in ("a", "b")]
    items = [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]
    progress = JobProgress(folder / "work", Path("work/generated/g.jsonl"), 2)
    places = {"store": folder / "store", "work": folder / "work", "progress": progress}
    return partial(generate_for_job, items, job_settings, job="g", calls=2, **places), items


def test_a_job_whose_server_cannot_be_started_stops_with_the_reason_and_so_do_the_others(project):
    run, _ = job(project, "exits")
    with pytest.raises(StoppedError, match=r"the server .* ended after .* with exit status 2") as raised:
        run()
    assert "no such weights" in raised.value.in_words()
    log = next(project.glob("logs/servers/*.log"))
    log.unlink()
    with pytest.raises(StoppedError, match="exit status 2"):
        run()
    assert not log.exists(), "other jobs of the run do not try again"


def test_a_job_whose_server_ends_with_every_call_stops_when_it_is_given_up(project):
    run, _ = job(project, restarts=1)
    with pytest.raises(StoppedError, match="not started again after 1 restart within an hour"):
        run()
    assert {call.outcome for call in read_calls(project / "store" / "journal")} == {Outcome.UNKNOWN}
    wait_until(lambda: not ours(project))


def test_a_job_whose_images_are_all_in_the_store_starts_no_server(project):
    run, items = job(project, "exits")
    store = Store(project / "store")
    for item in items:
        store.raw.put(item.key, b"image", durable=False, extension="png")
    assert all(item.raw is not None for item in run())
    assert not (project / "logs").exists()


def test_a_job_that_waits_for_its_server_ends_when_the_run_stops(project):
    run, _ = job(project, "never-ready")
    stopping_file(project / "work").parent.mkdir(exist_ok=True)
    stopping_file(project / "work").touch()
    with pytest.raises(ToldToStopError):
        run()
    wait_until(lambda: not ours(project))


@pytest.mark.parametrize("named", [None, "10.0.0.1", "127.0.0.1,10.0.0.1"])
def test_calls_to_this_machine_go_past_the_proxies_of_the_environment(monkeypatch, named):
    if named:
        monkeypatch.setenv("NO_PROXY", named)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    _go_past_proxies()
    assert proxy_to("http://127.0.0.1:8000") is None
    assert (proxy_to("http://10.0.0.1") is None) is bool(named)
    assert proxy_to("http://10.0.0.2") is not None
