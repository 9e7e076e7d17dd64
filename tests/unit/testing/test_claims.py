"""The providers of the pages keep the claims of imagemake.testing, and each claim finds a provider that breaks it."""

import re
import sys

import pytest
from folders import REPOSITORY

FILE = re.compile(r"^`imagemake-\w+/(?:tests/)?(?P<path>\w+\.py)`\n\n```python\n(?P<text>.*?)^```", re.M | re.S)
STRIPES_TEST = re.compile(r"^```python\n(from imagemake\.testing import ProviderConformance\n.*?)^```", re.M | re.S)
BATCH_TEST = re.compile(r"^```python\n(class TestKilnBatches\(TestKiln\):.*?)^```", re.M | re.S)
SEND = '        response = await self.client.send("POST", "images", json=body_of(recipe, images))\n'
RAISE = "            raise error_of(response.status, response.body, response.headers)\n        return image_in"
KEY = "connection.key(self.key_variable, self.domain)"
UNREADABLE = "except (KeyError, TypeError, ValueError, RecursionError)"

QUEUE = """
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.fal.provider import FalProvider
from imagemake.plugins.providers.http.answers import parsed
from unit.plugins.providers.test_conformance import TestFal as Described


class Broken(FalProvider):
    {broken}


class TestQueue(Described):
    provider = Broken
"""

BATCHES = """
import pytest
from dataclasses import replace
from imagemake.plugins.providers import ProviderError
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from unit.plugins.providers.test_conformance import TestOpenAI as Described


class Broken(OpenAIProvider):
    {broken}


class TestBatches(Described):
    provider = Broken

    @pytest.fixture(autouse=True)
    def _stand_in(self):
        self.vendor = ""
"""


@pytest.fixture(scope="module")
def pages():
    """The modules of the pages, by name of their file."""
    pages = [(REPOSITORY / "docs" / "how-to" / f"{name}.md").read_text() for name in ("plugins", "test-a-provider")]
    files = {found["path"]: found["text"] for page in pages for found in FILE.finditer(page)}
    return {**files, "test_stripes.py": STRIPES_TEST.search(pages[1])[1]}


class Outcomes:
    """What became of each test."""

    def __init__(self):
        self.by_name = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.by_name[report.nodeid.partition("::")[2]] = report.outcome


@pytest.fixture
def tested(tmp_path, monkeypatch):
    """Write modules, and run a test of them in this process; return what became of each claim."""
    folder = tmp_path / "project"  # pytest looks for the words of `-k` in its name too
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(files, module, claims=""):
        for name, text in {**files, "pytest.ini": "[pytest]\n"}.items():
            (folder / name).write_text(text, encoding="utf-8")
        outcomes = Outcomes()
        # The others take longer than the tests: a full collection of garbage, excerpts of sources, old folders.
        off = ("cacheprovider", "faulthandler", "hydra_pytest", "unraisableexception")
        options = [f"-pno:{name}" for name in off]
        options += ["--import-mode=importlib", "-qq", "--tb=native", f"--basetemp={tmp_path / 'tmp'}", "--capture=no"]
        options += [f"--rootdir={folder}", "-c", str(folder / "pytest.ini"), "-k", claims]
        pytest.main([*options, str(folder / module)], plugins=[outcomes])
        return outcomes.by_name

    yield run
    for name in ("imagemake_kiln", "imagemake_stripes", "test_kiln", "test_batches", "test_queue", "test_stripes"):
        sys.modules.pop(name, None)


def test_the_provider_of_the_page_keeps_all_claims(tested, pages):
    outcomes = tested(pages, "test_kiln.py")
    assert set(outcomes.values()) <= {"passed", "skipped"}
    assert sum(outcome == "passed" for outcome in outcomes.values()) > 40


def test_the_provider_without_a_server_keeps_all_claims(tested, pages):
    outcomes = tested(pages, "test_stripes.py")
    assert set(outcomes.values()) <= {"passed", "skipped"}
    assert sum(outcome == "passed" for outcome in outcomes.values()) >= 4


@pytest.mark.parametrize(
    ("right", "wrong", "claim"),
    [
        (SEND, f"{SEND}        if response.status >= 500:\n    {SEND}", "booked_to_whom and busy"),
        (RAISE, RAISE.replace("response.status", "500"), "booked_to_whom and money"),
        ('"picture"], validate=True)', '"picture"], validate=True)[:-1]', "bytes_are_untouched and PNG"),
        ('"text": recipe.prompt', '"text": recipe.prompt.replace(chr(10), " ")', "the_prompt_arrives"),
        ('"seed": recipe.seed', '"seed": recipe.seed % 1000', "seed_arrives and 2147483647"),
        ('"seed": recipe.seed', '"seed": recipe.seed, "nonce": __import__("time").monotonic_ns()', "same_recipe"),
        ('"width": int(width)', '"width": int(height)', "sizes_arrive"),
        ("in recipe.references]", "in sorted(recipe.references)]", "reference_images"),
        ("recipe.mask or recipe.negative_prompt", "recipe.negative_prompt", "mask_arrives"),
        ("recipe.mask or recipe.negative_prompt", "recipe.mask", "negative_prompt_arrives"),
        ('answer["id"], cost_usd=float(answer["usd"])', 'answer["id"]', "response_tells"),
        ('self.client.get(f"models/', 'self.client.send("POST", f"models/', "check_costs_nothing"),
        ('"the server does not know it", is_fault=True', '"fine"', "check_costs_nothing"),
        (UNREADABLE, "except KeyError", "every_body"),
        (UNREADABLE, "except ValueError", "lacks_a_part"),
        (
            SEND,
            f"        try:\n    {SEND}        except ProviderError as e:\n            e.failure = 'unavailable'\n"
            "            raise\n",
            "that_is_cut or not_there",
        ),
        ("connection.timeout_s, {", "60, {", "timeout"),
        (
            SEND,
            f"        import asyncio\n        try:\n    {SEND}        except asyncio.CancelledError:\n"
            "            raise ProviderError('canceled', FailureKind.UNKNOWN)\n",
            "a_call_that_is_cancelled",
        ),
        (KEY, "__import__('os').environ.get(self.key_variable)", "another_server and False"),
        (KEY, "__import__('os').environ.get(self.key_variable)", "key_that_is_missing"),
        (KEY, "None", "key_that_the_user_names"),
        (SEND, f"        self.client._client.follow_redirects = True\n{SEND}", "redirect"),
        (
            RAISE,
            "            told = response.body.decode()\n            end = told.find(' xxx') - 5\n"
            "            raise ProviderError(told[:end], FailureKind.STOP)\n        return image_in",
            "in_no_error and prompt",
        ),
    ],
)
def test_each_claim_finds_a_provider_that_breaks_it(tested, pages, monkeypatch, right, wrong, claim):
    monkeypatch.setattr("imagemake.testing.stand_in.LONGEST_S", 1.0)
    monkeypatch.setattr("imagemake.testing.waiting.LONGEST_S", 1.0)
    monkeypatch.setattr("imagemake.testing.waiting.MOST_LATE_S", 0.4)
    provider = pages["imagemake_kiln.py"]
    assert provider.count(right) == 1
    outcomes = tested({**pages, "imagemake_kiln.py": provider.replace(right, wrong)}, "test_kiln.py", claim)
    assert outcomes
    assert set(outcomes.values()) == {"failed"}


@pytest.mark.parametrize(
    ("broken", "claim"),
    [
        ("async def poll(self, ticket): return await self.look(ticket)", "poll_without_an_answer"),
        ("async def poll(self, ticket): return self.last", "another_process"),
        ("def url_of(self, ticket, what): return ticket.urls[what]", "urls_lead_to_another_server"),
        (
            "async def read_again(self, body):\n"
            "        return ImageResponse((await self.ask('GET', parsed(body)['images'][0]['url'])).body)",
            "fetched_without_the_key",
        ),
    ],
)
def test_each_claim_on_queues_finds_a_provider_that_breaks_it(tested, broken, claim):
    outcomes = tested({"test_queue.py": QUEUE.format(broken=broken)}, "test_queue.py", claim)
    assert [*outcomes.values()] == ["failed"]


def test_the_batch_api_that_the_page_describes_is_that_of_a_provider_that_keeps_the_claims(tested):
    page = (REPOSITORY / "docs" / "how-to" / "test-a-provider.md").read_text()
    described = BATCH_TEST.search(page)[1].replace("(TestKiln)", "(TestBatches)")
    names = "from imagemake.testing import Batch, BatchEnd, Fault, Images, Request, Response"
    module = f"{names}\n{BATCHES.format(broken='pass')}\n\n{described}"
    claims = "a_line or dies or any_order or canceled or ends_early or as_a_whole or cannot_pay or state or creation"
    outcomes = tested({"test_batches.py": module}, "test_batches.py", f"TestKilnBatches and ({claims})")
    assert set(outcomes.values()) <= {"passed", "skipped"}
    assert sum(outcome == "passed" for outcome in outcomes.values()) > 20


@pytest.mark.parametrize(
    ("broken", "claim"),
    [
        ("def batch_line(self, call, recipe): return super().batch_line(call[:8], recipe)", "line_with_the_id"),
        ("async def poll_batch(self, batch): return replace(await super().poll_batch(batch), files=())", "any_order"),
        ("async def find_batch(self, metadata): return None", "creation_had_no_answer"),
        ("async def cancel_batch(self, batch): return await self.poll_batch(batch)", "can_be_canceled"),
        (
            "async def poll_batch(self, batch): return (await self._api.retrieve(batch)).no_such",
            "none_is_an_error",
        ),
        (
            "async def batch_results(self, file):\n"
            "        async for one in super().batch_results(file):\n"
            "            yield replace(one, custom_id=one.custom_id)",
            "costs_no_other_line and null",
        ),
        (
            "async def batch_results(self, file):\n        yield await self._client.get(file, cast_to=object)",
            "no_address_that_a_state_names",
        ),
        (
            "async def upload_batch(self, path):\n"
            "        try: return await super().upload_batch(path)\n"
            "        except ProviderError as error: raise ProviderError(str(error), 'unavailable') from None",
            "cannot_pay and money",
        ),
        (
            "async def create_batch(self, *given):\n"
            "        await super().create_batch(*given)\n"
            "        return await super().create_batch(*given)",
            "dies_at_any_step and poll",
        ),
    ],
)
def test_each_claim_on_batches_finds_a_provider_that_breaks_it(tested, monkeypatch, broken, claim):
    monkeypatch.setattr("imagemake.testing.batch_api.LONGEST_S", 2.0)
    outcomes = tested({"test_batches.py": BATCHES.format(broken=broken)}, "test_batches.py", claim)
    assert {*outcomes.values()} == {"failed"}
