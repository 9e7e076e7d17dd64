"""The stand-in has the shapes that Google's own SDK expects: what works with one should work with the other."""

import base64
import io
import json

import pytest
from fake_gemini import KEY, Behavior, FakeGemini, Rule
from google import genai
from google.genai import errors, types
from PIL import Image

PRO = "gemini-3-pro-image"
CONFIG = types.GenerateContentConfig(
    response_modalities=["IMAGE"], seed=7, image_config=types.ImageConfig(aspect_ratio="3:2", image_size="2K")
)


@pytest.fixture(scope="module")
def running():
    with FakeGemini() as server:
        yield server


@pytest.fixture
def server(running):
    running.change(rules=(), batch_s=0.1)
    running.calls.clear()
    return running


@pytest.fixture(scope="module")
def client(running):
    """The SDK's client for the stand-in."""
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=running.address, api_version="v1beta"))


def ask(client, contents="a mug"):
    return client.models.generate_content(model=PRO, contents=contents, config=CONFIG)


def image_of(response):
    blob = response.candidates[0].content.parts[0].inline_data
    assert blob.mime_type == "image/png"
    return Image.open(io.BytesIO(blob.data))


def test_the_sdk_gets_an_image_and_its_usage(server, client):
    response = ask(client)
    assert image_of(response).size == (96, 64)
    (call,) = server.calls
    assert (call.prompt, call.seed, call.image_config) == ("a mug", 7, {"aspectRatio": "3:2", "imageSize": "2K"})
    usage = response.usage_metadata
    assert (
        usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count
    )
    assert usage.candidates_tokens_details == [types.ModalityTokenCount(modality="IMAGE", token_count=1120)]
    assert response.response_id and response.model_version
    assert response.candidates[0].finish_reason is types.FinishReason.STOP


def test_the_sdk_sends_references_that_arrive(server, client):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    ask(client, [types.Part.from_bytes(data=file.getvalue(), mime_type="image/png"), "on a table"])
    assert len(server.calls[0].references) == 1


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        (Behavior.IMAGE_SAFETY, types.FinishReason.IMAGE_SAFETY),
        (Behavior.NO_IMAGE, types.FinishReason.NO_IMAGE),
        (Behavior.IMAGE_OTHER, types.FinishReason.IMAGE_OTHER),
        (Behavior.EMPTY_CONTENT, types.FinishReason.STOP),
    ],
)
def test_the_sdk_reads_why_there_is_no_image(server, client, behavior, reason):
    server.change(rules=(Rule(behavior),))
    response = ask(client)
    assert response.candidates[0].finish_reason is reason
    assert response.parts is None or response.parts[0].inline_data is None


def test_the_sdk_reads_why_a_prompt_is_blocked(server, client):
    server.change(rules=(Rule(Behavior.BLOCKED_PROMPT),))
    feedback = ask(client).prompt_feedback
    assert feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert feedback.safety_ratings[0].category is types.HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT


@pytest.mark.parametrize(
    ("behavior", "code", "status"),
    [
        (Behavior.RATE_LIMITED, 429, "RESOURCE_EXHAUSTED"),
        (Behavior.INTERNAL, 500, "INTERNAL"),
        (Behavior.OVERLOADED, 503, "UNAVAILABLE"),
        (Behavior.BAD_IMAGE, 400, "INVALID_ARGUMENT"),
    ],
)
def test_the_sdk_reads_errors(server, client, behavior, code, status):
    server.change(rules=(Rule(behavior),))
    with pytest.raises(errors.APIError) as raised:
        ask(client)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert len(server.calls) == 1


def finished(client, job):
    for _ in range(200):
        job = client.batches.get(name=job.name)
        if job.done:
            return job
    raise AssertionError("the batch does not end")


def test_the_sdk_makes_a_batch_and_reads_its_results(server, client, tmp_path):
    request = {"contents": [{"parts": [{"text": "a mug"}]}], "generation_config": {"response_modalities": ["IMAGE"]}}
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps({"key": f"k{n}", "request": request}) + "\n" for n in range(3)))
    file = client.files.upload(
        file=path, config=types.UploadFileConfig(display_name="r", mime_type="application/jsonl")
    )
    assert file.state is types.FileState.ACTIVE
    job = client.batches.create(model=PRO, src=file.name, config={"display_name": "mugs"})
    assert job.name in [one.name for one in client.batches.list()]
    job = finished(client, job)
    assert (job.state, job.display_name) == (types.JobState.JOB_STATE_SUCCEEDED, "mugs")
    lines = client.files.download(file=job.dest.file_name).splitlines()
    for number, line in enumerate(map(json.loads, lines)):
        response = types.GenerateContentResponse.model_validate(line["response"])
        assert (line["key"], image_of(response).size) == (f"k{number}", (96, 96))
    for name in (file.name, job.dest.file_name):
        client.files.delete(name=name)


def test_the_sdk_cancels_a_batch(server, client, tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps({"key": "k", "request": {"contents": [{"parts": [{"text": "a mug"}]}]}}))
    server.change(batch_s=30)
    file = client.files.upload(file=path, config=types.UploadFileConfig(mime_type="application/jsonl"))
    job = client.batches.create(model=PRO, src=file.name, config={"display_name": "mugs"})
    client.batches.cancel(name=job.name)
    assert client.batches.get(name=job.name).name == job.name


def test_names_that_the_api_does_not_know_are_refused(server, client):
    body = {"contents": [{"parts": [{"text": "a mug"}]}], "generationConfig": {"quality": "high"}}
    options = types.HttpOptions(extra_body=body)
    with pytest.raises(errors.ClientError, match="Unknown name"):
        client.models.generate_content(model=PRO, contents="a mug", config={"http_options": options})


def test_an_image_of_the_stand_in_depends_on_its_request_only(server, client):
    data = [base64.b64encode(image_of(ask(client, prompt)).tobytes()) for prompt in ("a mug", "a mug", "a cup")]
    assert data[0] == data[1] != data[2]
