"""The comfyui provider against a stand-in: what arrives, what each answer means, and several servers."""

import asyncio
import json
import re
import sys
from contextlib import ExitStack
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import fake_comfyui
import pytest
from fake_comfyui import FakeComfyUI, workflow
from fake_comfyui.questions import facts, missing_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_files import saved
from PIL import Image
from unit.plugins.providers.test_comfyui_conformance import INPUTS

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.comfyui import pool
from imagemake.plugins.providers.comfyui.graph import read_graph
from imagemake.plugins.providers.comfyui.host import Host
from imagemake.plugins.providers.comfyui.news import News
from imagemake.plugins.providers.comfyui.provider import ComfyUIProvider
from imagemake.plugins.providers.comfyui.template import template_of
from imagemake.plugins.providers.http.queue import Reply
from imagemake.plugins.providers.queue import GONE, Pending, Ticket

LONGEST_S = 10.0


def template(graph=None, output=None, **inputs):
    return template_of(read_graph(json.dumps(graph or workflow()).encode()), output, {**INPUTS, **inputs})


def reached(servers, act, timeout_s=5.0):
    """Run `act` with a provider that reaches stand-ins."""
    servers = servers if isinstance(servers, list) else [servers]

    async def inside():
        first, *more = [server.base_url for server in servers]
        provider = ComfyUIProvider(Connection(first, timeout_s, pool=tuple(more)))
        try:
            async with asyncio.timeout(LONGEST_S):
                return await act(provider)
        finally:
            await provider.close()

    return asyncio.run(inside())


def recipe(data, prompt="a mug", seed=7, **changes):
    return Recipe(
        "comfyui",
        "mugs",
        prompt,
        seed,
        changes.pop("parameters", {}),
        **changes,
        model_files={"workflow": digest(data)},
    )


def digest(data):
    return sha256(data).hexdigest()


async def submitted(provider, data=None, images=(), **changes):
    data = data or template()
    files = {digest(data): data, **{digest(one): one for one in images}}
    return await provider.submit(recipe(data, references=tuple(map(digest, images)), **changes), files)


async def waited(provider, ticket):
    kept = Ticket.from_dict(json.loads(json.dumps(ticket.as_dict())))
    while isinstance(found := await provider.poll(kept), Pending):
        await provider.rest(kept, 0.02)
    return found


async def made(provider, data=None, images=(), **changes):
    return await waited(provider, await submitted(provider, data, images, **changes))


def failure_of(server, act):
    with pytest.raises(ProviderError) as raised:
        reached(server, act)
    return raised.value


def only(server):
    (prompt,) = server.prompts.values()
    return prompt


@pytest.mark.parametrize("has_jobs", [True, False])
def test_the_values_of_a_request_go_into_the_workflow_and_its_image_comes_back(has_jobs):
    async def act(provider):
        parameters = {"size": "96x64", "steps": 8}
        return await made(provider, template(steps=["3.steps"]), negative_prompt="blur", parameters=parameters)

    with FakeComfyUI(has_jobs=has_jobs) as server:
        answer = reached(server, act)
        graph = only(server).graph
        assert answer.image in server.files.values()
    nodes = {number: node["inputs"] for number, node in graph.items()}
    assert (nodes["6"]["text"], nodes["7"]["text"], nodes["3"]["seed"], nodes["3"]["steps"]) == ("a mug", "blur", 7, 8)
    assert (nodes["5"]["width"], nodes["5"]["height"]) == (96, 64)
    assert answer.request_id == only(server).id


def test_what_no_value_is_given_for_stays_as_in_the_workflow():
    with FakeComfyUI() as server:
        reached(server, lambda provider: made(provider, template(steps=["3.steps"])))
        nodes = only(server).graph
    assert nodes["3"]["inputs"]["steps"] == 20
    assert nodes["7"]["inputs"]["text"] == "text, watermark"
    assert nodes["5"]["inputs"]["width"] == 64


def with_image():
    graph = workflow()
    graph["10"] = {"class_type": "LoadImage", "inputs": {"image": "pose.png"}}
    graph["3"]["inputs"]["latent_image"] = ["10", 0]
    return template_of(
        read_graph(json.dumps(graph).encode()),
        "9",
        {name: INPUTS[name] for name in ("prompt", "seed")} | {"references": ["10.image"]},
    )


def test_reference_images_are_uploaded_once_and_named_as_the_server_says():
    image = saved(Image.new("RGB", (8, 8), "red"), "PNG")
    name = f"{digest(image)[:32]}.png"

    async def act(provider):
        for seed in (1, 2):
            await made(provider, with_image(), [image], seed=seed)

    with FakeComfyUI() as server:
        server.files["input", "imagemake", name] = b"another file of this name"
        reached(server, act)
        loaded = {prompt.graph["10"]["inputs"]["image"] for prompt in server.prompts.values()}
        assert loaded == {f"imagemake/{name.removesuffix('.png')} (1).png"}
        assert server.files["input", "imagemake", f"{name.removesuffix('.png')} (1).png"] == image
        assert server.asked.count("POST /upload/image") == 1


def test_an_image_that_comfyui_remembers_is_saved_again_and_not_read_from_the_old_file():
    """ComfyUI runs nothing for inputs that it knows, and names the file of the first time, whatever is in it now."""

    async def act(provider):
        first = await made(provider)
        server.files = dict.fromkeys(server.files, b"another image")
        return first, await made(provider)

    with FakeComfyUI() as server:
        first, second = reached(server, act)
    assert second.image != b"another image"
    assert Image.open(BytesIO(second.image)).tobytes() == Image.open(BytesIO(first.image)).tobytes()


@pytest.mark.parametrize(
    ("graph", "code", "words"),
    [
        (workflow(model="gone.safetensors"), "value_not_in_list", r"node 4 \(CheckpointLoaderSimple\): .* ckpt_name"),
        ({**workflow(), "8": {"class_type": "Magic", "inputs": {"samples": ["3", 0]}}}, "missing_node_type", "Magic"),
    ],
)
def test_a_workflow_that_is_rejected_names_the_node_and_the_input_and_is_a_fault_of_the_configuration(
    graph, code, words
):
    with FakeComfyUI() as server:
        error = failure_of(server, lambda provider: submitted(provider, template(graph)))
        assert not server.prompts
    assert (error.failure, error.code) == (FailureKind.CONFIGURATION, code)
    assert re.search(words, str(error))
    assert error.remedy


def test_a_prompt_of_which_the_server_leaves_out_a_part_is_taken_back(monkeypatch):
    """A 200 with errors of nodes means that only some outputs are made."""
    graph = workflow()
    graph["20"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "gone.safetensors"}}
    graph["21"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["20", 0]}}
    graph["9"]["inputs"]["after"] = ["21", 0]  # some nodes pass their images on
    with FakeComfyUI(latency_s=5) as server:
        monkeypatch.setattr("fake_comfyui.nodes._needed", lambda prompt, output: [output, *("20",) * (output == "21")])
        error = failure_of(server, lambda provider: submitted(provider, template(graph, "9")))
        assert only(server).state != "completed"
        assert [call for call in server.asked if call.endswith("/cancel")]
    assert error.failure is FailureKind.CONFIGURATION
    assert "node 20 (CheckpointLoaderSimple)" in str(error)


@pytest.mark.parametrize("has_jobs", [True, False])
def test_a_node_that_fails_is_named_and_only_missing_memory_is_worth_another_try(has_jobs):
    with FakeComfyUI(has_jobs=has_jobs) as server:
        broken = failure_of(server, lambda provider: made(provider, prompt="a paper jam"))
        too_big = failure_of(server, lambda provider: made(provider, prompt="an elephant"))
    assert (broken.failure, broken.code) == (FailureKind.NOT_RETRYABLE, "execution_error")
    assert str(broken).startswith("node 3 (KSampler) failed: RuntimeError: it broke")
    assert (too_big.failure, too_big.code) == (FailureKind.UNAVAILABLE, "out_of_memory")


def test_a_node_that_gives_no_image_is_told_with_what_the_others_give():
    graph = {**workflow(), "9": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}}

    async def act(provider):
        ticket = await submitted(provider, template(graph))
        while isinstance(await provider.poll(ticket), Pending):
            await asyncio.sleep(0.01)
        return await provider.poll(Ticket(ticket.id, {**ticket.urls, "node": "8"}))

    with FakeComfyUI() as server:
        error = failure_of(server, act)
    assert error.failure is FailureKind.CONFIGURATION
    assert '"9": ["images"]' in str(error)


@pytest.mark.parametrize("has_jobs", [True, False])
def test_a_prompt_is_canceled_by_its_id_whether_it_waits_or_runs(has_jobs):
    async def act(provider):
        tickets = [await submitted(provider, seed=seed) for seed in (1, 2)]
        while not isinstance(state := await provider.poll(tickets[0]), Pending) or not state.has_started:
            await asyncio.sleep(0.01)
        assert not (await provider.poll(tickets[1])).has_started
        for ticket in reversed(tickets):
            await provider.cancel(ticket)
        with pytest.raises(ProviderError) as ended:
            await waited(provider, tickets[0])
        with pytest.raises(ProviderError, match="neither"):
            await provider.cancel(tickets[1])
        return ended.value

    with FakeComfyUI(latency_s=20, has_jobs=has_jobs) as server:
        error = reached(server, act)
        assert {one.state for one in server.prompts.values()} == {"cancelled", "deleted"}
        assert all(body.get("prompt_id") in server.prompts for body in server.interrupts), "else it ends any prompt"
    assert (error.failure, error.code) == (FailureKind.UNAVAILABLE, "canceled")


@pytest.mark.parametrize("has_jobs", [True, False])
def test_after_a_restart_the_file_is_found_by_its_name_and_a_prompt_without_a_file_is_gone(has_jobs):
    async def act(provider):
        tickets = [await submitted(provider, seed=seed) for seed in (1, 2)]
        image = await waited(provider, tickets[0])
        server.die()
        server.start()
        assert (await provider.poll(tickets[0])).image == image.image
        ((place, _),) = [(p, i) for p, i in server.files.items() if tickets[0].id in p[2]]
        server.files[place] = image.image[:-9]  # it was not written to its end
        with pytest.raises(ProviderError) as cut_off:
            await provider.poll(tickets[0])
        with pytest.raises(ProviderError) as gone:
            await provider.poll(tickets[1])
        return {cut_off.value.code, gone.value.code}

    with FakeComfyUI(latency_s=0.2, has_jobs=has_jobs) as server:
        assert reached(server, act) == {GONE}


def test_a_submission_whose_answer_is_lost_is_in_the_queue_under_the_id_of_its_ticket():
    data = template()

    async def act(provider):
        given, files = recipe(data), {digest(data): data}
        ticket = await provider.name(given, files)
        server.refuse = lambda method, path: 0 if (method, path) == ("POST", "/prompt") else None
        with pytest.raises(ProviderError) as raised:
            await provider.submit_named(ticket, given, files)
        assert raised.value.failure is FailureKind.UNKNOWN
        return await waited(provider, ticket)

    with FakeComfyUI() as server:
        assert isinstance(reached(server, act), ImageResponse)
        assert len(server.prompts) == 1


def test_the_end_of_a_prompt_is_heard_and_need_not_be_asked_for():
    async def act(provider):
        ticket = await submitted(provider)
        asked = 0
        while isinstance(await provider.poll(ticket), Pending):
            asked += 1
            await provider.rest(ticket, 30)
        return asked

    with FakeComfyUI(latency_s=0.3) as server:
        assert reached(server, act) <= 2


def test_what_a_socket_says_breaks_nothing():
    async def act(provider):
        ticket = await submitted(provider)
        for message in ("", "[]", "{", '{"type": 1, "data": null}', '{"type": "executing", "data": {"prompt_id": []}}'):
            provider._news.take(message)
        odd = {"prompt_id": ticket.id, "nodes": {"3": {"state": "running", "value": "x", "max": None}}}
        provider._news.take(json.dumps({"type": "progress_state", "data": odd}))
        provider._news.take(json.dumps({"type": "progress_state", "data": {"prompt_id": ticket.id, "nodes": [1]}}))
        return await waited(provider, ticket)

    with FakeComfyUI() as server:
        reached(server, act)


def test_without_the_package_for_sockets_questions_find_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    with FakeComfyUI() as server:
        reached(server, made)
        assert "GET /ws" not in server.asked


def test_prompts_are_spread_over_the_servers_of_a_pool():
    async def act(provider):
        return await asyncio.gather(*(made(provider, seed=seed) for seed in range(12)))

    with ExitStack() as stack:
        servers = [stack.enter_context(FakeComfyUI()) for _ in range(3)]
        reached(servers, act)
        assert [len(server.prompts) for server in servers] == [4, 4, 4]


def test_a_server_with_the_work_of_others_gets_less():
    async def busy(provider):
        for seed in range(4):
            await submitted(provider, seed=seed)

    async def act(provider):
        return [(await submitted(provider, seed=seed)).urls["server"] for seed in range(9, 13)]

    with FakeComfyUI(latency_s=30) as full, FakeComfyUI(latency_s=30) as free:
        reached(full, busy)
        assert set(reached([full, free], act)) == {free.base_url}


def test_what_a_dead_server_had_is_gone_while_another_one_answers_and_new_prompts_go_there(monkeypatch):
    monkeypatch.setattr(pool, "DEAD_AFTER_S", 0.2)

    async def act(provider):
        tickets = [await submitted(provider, seed=seed) for seed in (1, 2)]
        lost = next(ticket for ticket in tickets if ticket.urls["server"] == dying.base_url)
        dying.die()
        assert isinstance(await provider.poll(lost), Pending), "it may come back"
        await asyncio.sleep(0.25)
        with pytest.raises(ProviderError) as raised:
            await provider.poll(lost)
        again = [await made(provider, seed=seed) for seed in (3, 4)]
        return raised.value, len(again)

    with FakeComfyUI() as dying, FakeComfyUI() as other:
        dying.latency_s = 30
        error, n = reached([dying, other], act)
        assert (error.failure, error.code, n) == (FailureKind.UNKNOWN, GONE, 2)
        assert {one.state for one in other.prompts.values()} == {"completed"}


def test_a_single_server_that_is_dead_is_unreachable_and_its_prompts_are_not_given_up():
    async def act(provider):
        ticket = await submitted(provider)
        server.die()
        return await provider.poll(ticket)

    with FakeComfyUI(latency_s=30) as server:
        assert failure_of(server, act).failure is FailureKind.UNREACHABLE


def test_no_server_of_a_pool_that_answers_is_told_with_all_addresses():
    with FakeComfyUI() as one, FakeComfyUI() as two:
        one.die()
        two.die()
        error = failure_of([one, two], submitted)
    assert error.failure is FailureKind.UNREACHABLE
    assert one.base_url in str(error)
    assert two.base_url in str(error)


def test_a_ticket_of_another_server_is_asked_nowhere():
    async def act(provider):
        return await provider.poll(Ticket("x", {"server": "http://127.0.0.1:1"}))

    with FakeComfyUI() as server:
        assert failure_of(server, act).failure is FailureKind.STOP
        assert not server.asked


def test_a_server_that_answers_no_question_is_asked_again():
    async def act(provider):
        ticket = await submitted(provider)
        states = []
        for status in (500, 503, 429, 0):
            server.refuse = lambda method, path, status=status: status if path != "/ws" else None
            states.append(await provider.poll(ticket))
        server.refuse = lambda method, path: 403 if path != "/ws" else None
        with pytest.raises(ProviderError) as raised:
            await provider.poll(ticket)
        return states, raised.value

    with FakeComfyUI(latency_s=5) as server:
        states, error = reached(server, act)
    assert all(isinstance(state, Pending) for state in states)
    assert error.failure is FailureKind.STOP


def test_the_stand_in_says_nothing_that_a_real_server_does_not_say():
    """The file has the forms of the answers of ComfyUI 0.33.0: `bench/comfyui.py questions URL` asked for them."""
    real = json.loads(Path(fake_comfyui.__file__).with_name(f"comfyui-{fake_comfyui.VERSION}.json").read_text())
    with FakeComfyUI(0.01) as server:
        ours = asyncio.run(facts(server.base_url))
    assert set(ours) == set(real)
    assert missing_in(real, ours) == []


ID = "2dd7aa1d-d9c4-4f8d-8f2c-6d10e2368365"
HERE = Ticket(ID, {"server": "http://127.0.0.1:1", "node": "9"})
FIELDS = ("status", "filename", "images", "type", "message", "node_id", "exception_type", "errors", "9")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["completed", "failed", "error", "\x1b[2J", ID]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)


def or_any(**fields):
    """Return mappings with some fields, each of which may be anything, and values that are no mappings."""
    return st.fixed_dictionaries({}, optional=fields) | values


images = st.fixed_dictionaries(
    {"9": or_any(images=st.lists(or_any(filename=values, subfolder=values, type=values)) | values)}
)
states = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["pending", "in_progress", "completed", "failed", "cancelled"]) | values,
        "outputs": images | values,
        "execution_error": or_any(exception_type=values, exception_message=values, node_id=values),
    }
)
messages = st.lists(st.tuples(st.sampled_from(["execution_error", "execution_interrupted"]) | values, values) | values)
statuses = st.fixed_dictionaries({"status_str": st.just("error"), "messages": messages | values}) | values
histories = st.fixed_dictionaries({ID: or_any(outputs=images, status=statuses)}) | values
queues = or_any(queue_running=st.lists(values) | values, queue_pending=st.lists(values) | values)
rejections = or_any(
    prompt_id=values,
    error=or_any(type=values, message=values, extra_info=or_any(class_type=values)),
    node_errors=or_any(**{"4": or_any(errors=st.lists(or_any(type=values, message=values, details=values)) | values)}),
)


@pytest.fixture(scope="module")
def nowhere():
    return ComfyUIProvider(Connection("http://127.0.0.1:1"))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), states, histories, queues, rejections, st.sampled_from([200, 400, 404, 500]))
def test_whatever_a_server_says_is_an_image_a_wait_or_an_error_that_is_told(
    nowhere, has_jobs, state, history, queue, rejection, status
):
    """A server on the network may be anything, and whoever runs it may have changed it."""

    async def ask(host, method, path, **content):
        told = {"api/": state, "hist": history, "queu": queue, "prom": rejection, "view": None}.get(path[:4])
        code = status if path == "prompt" else 200 if has_jobs or not path.startswith("api") else 404
        return Reply(code, b"" if code == 404 else json.dumps(told).encode(), {})

    data = template()
    acts = (
        lambda: nowhere.poll(HERE),
        lambda: nowhere.cancel(HERE),
        lambda: nowhere.submit_named(HERE, recipe(data), {digest(data): data}),
    )

    async def outcome(act):
        try:
            return await act()
        except ProviderError as error:
            return error

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Host, "ask", ask)
        patched.setattr(News, "listen", lambda *arguments: None)
        nowhere._pool.hosts[0]._has_jobs = has_jobs
        for act in acts:
            found = asyncio.run(outcome(act))
            assert found is None or isinstance(found, Pending | ImageResponse | ProviderError), repr(found)
            assert not isinstance(found, ProviderError) or str(found).isprintable()
