"""The official SDK sees no difference between the stand-in and the API."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

import openai
import pytest
from fake_openai import Limits
from fake_openai.__main__ import main
from fake_openai.limits import duration
from fake_openai.validate import PARAMETERS
from folders import TESTS
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase
from PIL import Image
from sdk_server import SdkServer

LEGACY = {"response_format", "style"}  # the SDK keeps them for retired models


def ask(server: SdkServer, what: str = "generate", *, key: str = "sk-any", **parameters: Any) -> Any:
    """Call the SDK once; return the raw response."""
    images = server.client.with_options(api_key=key).images.with_raw_response
    return server.loop.run(getattr(images, what)(**parameters))


def generate(server: SdkServer, prompt: str = "a red mug", **parameters: Any) -> Any:
    return ask(server, prompt=prompt, **{"model": "gpt-image-2", "quality": "low", **parameters})


def image_file(size: tuple[int, int] = (64, 48), mode: str = "RGB", kind: str = "PNG", name: str = "mug.png") -> Any:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return (name, buffer.getvalue(), f"image/{kind.lower()}")


def raw(server: SdkServer, path: str, data: bytes | None = None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(server.base_url + path, data, {"Authorization": "Bearer sk-any", **headers})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


# Accepted requests


def test_it_takes_exactly_the_parameters_that_the_sdk_documents() -> None:
    generated = set(ImageGenerateParamsBase.__annotations__) | {"stream"}
    edited = set(ImageEditParamsBase.__annotations__) | {"stream"}
    assert PARAMETERS["/v1/images/generations"] == generated - LEGACY
    assert PARAMETERS["/v1/images/edits"] == edited - LEGACY


# gpt-image-2 by the formula that third parties report, 1.5 and mini by the published table.
@pytest.mark.parametrize(
    ("model", "quality", "size", "tokens", "usd"),
    [
        ("gpt-image-2", "low", "1024x1024", 196, 0.0059),
        ("gpt-image-2", "medium", "1024x1024", 1756, 0.0527),
        ("gpt-image-2-2026-04-21", "high", "1024x1024", 7024, 0.2107),
        ("gpt-image-2", "low", "1536x1024", 158, 0.0047),
        ("gpt-image-2", "medium", "1024x1536", 1372, 0.0412),
        ("gpt-image-2", "high", "1536x1024", 5488, 0.1646),
        ("gpt-image-1.5", "medium", "1024x1024", 1056, 0.0338),
        ("gpt-image-1.5", "high", "1536x1024", 6208, 0.1987),
        ("gpt-image-1-mini", "low", "1024x1536", 408, 0.0033),
    ],
)
def test_usage_and_price_are_those_that_were_published(
    server: SdkServer, model: str, quality: str, size: str, tokens: int, usd: float
) -> None:
    answer = generate(server, model=model, quality=quality, size=size, output_format="jpeg").parse()
    assert answer.usage.output_tokens == tokens
    assert answer.usage.total_tokens == tokens + answer.usage.input_tokens_details.text_tokens
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (size, quality, "opaque", "jpeg")
    assert server.totals().total_usd == pytest.approx(usd, abs=1e-4)  # with the prompt's tokens


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_images_have_the_size_and_format_that_were_asked_for(server: SdkServer, output_format: str) -> None:
    answer = generate(server, size="1024x640", output_format=output_format, n=2).parse()
    assert len(answer.data) == 2 and answer.usage.output_tokens % 2 == 0
    for item in answer.data:
        with Image.open(io.BytesIO(base64.b64decode(item.b64_json, validate=True))) as image:
            image.load()
            assert (image.format, image.size, image.mode) == (output_format.upper(), (1024, 640), "RGB")


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_a_transparent_background_has_holes(server: SdkServer, output_format: str) -> None:
    answer = generate(server, background="transparent", output_format=output_format, size="816x816").parse()
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))) as image:
        assert image.getchannel("A").getextrema() == (0, 255)


def test_null_counts_as_absent_and_auto_is_decided(server: SdkServer) -> None:
    answer = generate(server, size="auto", quality=None, background="auto", user="u1").parse()
    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "medium", "opaque")
    assert answer.safety_identifier == "u1"


def test_a_stream_sends_partial_images_and_then_the_whole_one(server: SdkServer) -> None:
    async def events() -> list[Any]:
        stream = await server.client.images.generate(
            prompt="a mug", model="gpt-image-2", quality="low", stream=True, partial_images=2
        )
        return [event async for event in stream]

    received = server.loop.run(events())
    assert [event.type.rpartition(".")[2] for event in received] == ["partial_image", "partial_image", "completed"]
    assert [event.partial_image_index for event in received[:2]] == [0, 1]
    assert received[2].usage.output_tokens == 196 + 2 * 100
    assert server.calls()[0].delivered


# Refused requests

BAD = openai.BadRequestError


@pytest.mark.parametrize(
    ("parameters", "code", "param", "message"),
    [
        ({"extra_body": {"seed": 7}}, "unknown_parameter", "seed", "Unknown parameter: 'seed'."),
        ({"response_format": "b64_json"}, "unknown_parameter", "response_format", "Unknown parameter"),
        ({"style": "vivid"}, "unknown_parameter", "style", "Unknown parameter"),
        ({"size": "512x512"}, "invalid_value", "size", "below the current minimum pixel budget."),
        ({"size": "1792x936"}, "invalid_value", "size", "Width and height must both be divisible by 16."),
        ({"size": "4096x1024"}, "invalid_value", "size", "less than or equal to 3840."),
        ({"size": "2560x640"}, "invalid_value", "size", "between 1:3 and 3:1"),
        ({"size": "3840x3840"}, "invalid_value", "size", "above the current maximum pixel budget."),
        ({"size": "large"}, "invalid_value", "size", "Invalid size 'large'"),
        (
            {"size": "1536x864", "model": "gpt-image-1.5"},
            "invalid_value",
            "size",
            "Invalid value: '1536x864'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.",
        ),
        ({"n": 11}, "integer_above_max_value", "n", "Expected a value <= 10, but got 11 instead."),
        ({"n": 0}, "integer_below_min_value", "n", "Expected a value >= 1, but got 0 instead."),
        ({"n": 1.5}, "invalid_type", "n", "expected an integer"),
        ({"quality": "xhigh"}, "invalid_value", "quality", "'low', 'medium', 'high', and 'auto'"),
        ({"quality": "hd", "model": "gpt-image-2.5-flare"}, "invalid_value", "quality", "'xhigh', 'max'"),
        ({"output_format": "gif"}, "invalid_value", "output_format", "'png', 'jpeg', and 'webp'"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background", "JPEG"),
        ({"output_compression": 50}, "invalid_png_output_compression", "output_compression", "PNG"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression", "100"),
        ({"moderation": "off"}, "invalid_value", "moderation", "'low' and 'auto'"),
        ({"complexity": "low"}, "invalid_value", "complexity", "does not support"),
        ({"partial_images": 1}, "invalid_value", "partial_images", "stream"),
        ({"frame_count": 3}, "invalid_value", "frame_count", "gif"),
        ({"prompt": "a" * 32_001}, "string_above_max_length", "prompt", "maximum length 32000"),
        ({"prompt": ""}, "empty_string", "prompt", "empty string"),
        ({"model": "dall-e-3"}, "invalid_value", "model", "The model 'dall-e-3' does not exist."),
        ({"model": "gpt-image-1"}, "invalid_value", "model", "does not exist."),
        ({"model": "gpt-image-9"}, "invalid_value", "model", "does not exist."),
    ],
)
def test_a_parameter_that_breaks_a_rule_is_named(
    server: SdkServer, parameters: dict[str, Any], code: str, param: str, message: str
) -> None:
    with pytest.raises(BAD, match="Error code: 400") as caught:
        generate(server, **parameters)
    error = caught.value
    assert (error.code, error.param) == (code, param)
    assert message in str(error.body["message"])  # type: ignore[index]
    assert error.request_id is not None and error.request_id.startswith("req_")
    (call,) = server.calls()
    assert (call.status, call.outcome, call.billed, call.request_id) == (400, code, False, error.request_id)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("gpt-image-2", {"size": "2160x3840"}),
        ("gpt-image-2.5-sunburst", {"quality": "max"}),
        ("gpt-image-2.6-flare", {"complexity": "high", "quality": "xhigh"}),
        ("gpt-image-2", {"prompt": "é" * 32_000, "moderation": "low"}),
        ("chatgpt-image-latest", {"n": 3}),
    ],
)
def test_what_a_model_can_do_is_taken(server: SdkServer, model: str, parameters: dict[str, Any]) -> None:
    answer = generate(server, model=model, output_format="jpeg", **parameters)
    assert answer.http_response.status_code == 200


def test_a_missing_prompt_and_a_broken_body_are_refused(server: SdkServer) -> None:
    status, body = raw(server, "/images/generations", b'{"model": "gpt-image-2"}')
    assert (status, body["error"]["code"]) == (400, "missing_required_parameter")
    status, body = raw(server, "/images/generations", b"{")
    assert status == 400 and "could not parse" in body["error"]["message"]
    status, body = raw(server, "/images/variations", b"{}")
    assert status == 404 and body["error"]["message"] == "Invalid URL (POST /v1/images/variations)"


def test_models_go_on_the_day_that_was_announced(server: SdkServer) -> None:
    _, body = raw(server, "/models")
    listed = {model["id"]: model["shutdown_date"] for model in body["data"]}
    assert listed["gpt-image-1.5"] == "2026-12-01" and listed["gpt-image-2"] is None
    assert not {"dall-e-2", "dall-e-3", "gpt-image-1"} & set(listed)
    generate(server, model="gpt-image-1.5", output_format="jpeg")
    server.change(today="2026-12-01", retired_status=404)
    with pytest.raises(openai.NotFoundError) as caught:
        generate(server, model="gpt-image-1.5")
    assert caught.value.code == "model_not_found"
    assert raw(server, "/models/gpt-image-1.5")[0] == 404


def test_a_wrong_key_is_refused_and_is_nowhere_to_be_read(server: SdkServer) -> None:
    server.change(api_keys=("sk-right",))
    secret = "sk-proj-this-one-is-secret-1234"
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(server, key=secret, prompt="a mug", model="gpt-image-2")
    assert caught.value.code == "invalid_api_key" and secret not in str(caught.value)
    assert secret not in str(server.calls())
    ask(server, key="sk-right", prompt="a mug", model="gpt-image-2", output_format="jpeg")
    assert raw(server, "/images/generations", b"{}", Authorization="")[0] == 401
    assert raw(server, "/models", Authorization="Bearer sk-wrong")[0] == 401


def test_an_organization_that_is_not_verified_is_told_so_and_pays_nothing(server: SdkServer) -> None:
    server.change(unverified=True)
    with pytest.raises(openai.PermissionDeniedError, match="must be verified to use the model `gpt-image-2`"):
        generate(server)
    with pytest.raises(BAD):  # parameters are checked first
        generate(server, n=11)
    assert server.totals().billed_calls == 0


# References


def edit(server: SdkServer, image: Any, **parameters: Any) -> Any:
    parameters = {"model": "gpt-image-2", "quality": "low", "output_format": "jpeg", **parameters}
    return ask(server, "edit", image=image, prompt="make it blue", **parameters)


def test_reference_images_are_counted_as_input_tokens(server: SdkServer) -> None:
    files = [image_file(), image_file(kind="JPEG", name="b.jpg"), image_file((100, 250), "RGB", "WEBP", "c.webp")]
    usage = edit(server, files, size="1024x1024").parse().usage
    assert usage.input_tokens_details.image_tokens == 65 + 2 * 129 + 65 + 2 * 129 + 65 + 3 * 129
    assert usage.output_tokens == 196
    (call,) = server.calls()
    assert (call.endpoint, len(call.references), call.params["size"]) == ("/v1/images/edits", 3, "1024x1024")


def test_another_reference_image_makes_another_request(server: SdkServer) -> None:
    for size in ((64, 48), (64, 50), (64, 48)):
        edit(server, image_file(size))
    first, second, third = server.calls()
    assert first.fingerprint == third.fingerprint != second.fingerprint
    assert (first.occurrence, second.occurrence, third.occurrence) == (1, 1, 2)


def test_the_json_form_takes_data_urls(server: SdkServer) -> None:
    url = "data:image/png;base64," + base64.b64encode(image_file()[1]).decode()
    body = {"prompt": "make it blue", "images": [{"image_url": url}], "output_format": "jpeg"}
    status, answer = raw(server, "/images/edits", json.dumps(body).encode(), **{"Content-Type": "application/json"})
    assert status == 200 and len(answer["data"]) == 1
    body["images"] = [{"image_url": "https://example.org/mug.png"}]
    status, answer = raw(server, "/images/edits", json.dumps(body).encode(), **{"Content-Type": "application/json"})
    assert (status, answer["error"]["param"]) == (400, "images[0].image_url")


def with_hole(size: tuple[int, int]) -> Any:
    return image_file(size, "RGBA", "PNG", "mask.png")  # the whole mask is a hole


@pytest.mark.parametrize(
    ("image", "more", "code", "message"),
    [
        ([image_file()] * 17, {}, "array_above_max_length", "maximum length 16"),
        (image_file()[1], {}, "unsupported_file_mimetype", "application/octet-stream"),
        (image_file(kind="BMP", name="a.bmp"), {}, "unsupported_file_mimetype", "image/bmp"),
        (("a.png", b"not an image", "image/png"), {}, "invalid_image_file", "Invalid image file"),
        (("a.png", bytes(50 * 1024**2), "image/png"), {}, "file_too_large", "smaller than 50MB"),
        (image_file(), {"mask": with_hole((64, 49))}, "invalid_value", "mask size does not match"),
        (image_file(), {"mask": image_file()}, "invalid_value", "no transparent pixels"),
        (image_file(), {"mask": image_file(kind="JPEG", name="m.jpg")}, "unsupported_file_mimetype", "'image/png'"),
        (image_file(), {"input_fidelity": "high"}, "invalid_input_fidelity_model", "does not support"),
        (image_file(), {"markup": with_hole((64, 48))}, "invalid_value", "does not support the 'markup'"),
    ],
)
def test_a_reference_that_breaks_a_rule_is_refused(
    server: SdkServer, image: Any, more: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(BAD) as caught:
        edit(server, image, **more)
    assert caught.value.code == code and message in str(caught.value)


def test_a_mask_with_a_hole_is_taken_and_high_fidelity_costs_more(server: SdkServer) -> None:
    mask = with_hole((64, 64))
    low, high = (
        edit(server, image_file((64, 64)), mask=mask, model="gpt-image-1.5", input_fidelity=fidelity).parse().usage
        for fidelity in ("low", "high")
    )
    assert high.input_tokens - low.input_tokens == 2 * 4160


def test_only_what_a_mask_leaves_open_is_painted(server: SdkServer) -> None:
    image, mask = Image.new("RGB", (1024, 1024), "white"), Image.new("RGBA", (1024, 1024), "white")
    image.paste("black", (100, 100, 200, 140))
    mask.paste((0, 0, 0, 0), (90, 90, 210, 150))
    files = [io.BytesIO(), io.BytesIO()]
    image.save(files[0], "PNG")
    mask.save(files[1], "PNG")
    parts = [("a.png", file.getvalue(), "image/png") for file in files]
    answer = edit(server, parts[0], mask=parts[1], size="1024x1024", output_format="png").parse()
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))) as made:
        painted = made.convert("RGB")
    box = (90, 90, 210, 150)
    assert painted.crop(box).getextrema() == ((255, 255),) * 3, "filled from around it"
    image.paste("white", box)
    assert painted.tobytes() == image.tobytes()


# Headers and limits


def test_headers_tell_the_limits_and_name_the_request(server: SdkServer) -> None:
    server.change(limits=Limits(images_per_min=5, tokens_per_min=100_000))
    headers = generate(server, output_format="jpeg", n=2).headers
    (call,) = server.calls()
    assert headers["x-request-id"] == call.request_id and int(headers["openai-processing-ms"]) >= 0
    assert headers["x-ratelimit-limit-input-images"] == "5"
    assert headers["x-ratelimit-remaining-input-images"] == "3"
    assert headers["x-ratelimit-limit-tokens"] == "100000"
    assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < 100_000
    assert "x-ratelimit-limit-requests" not in headers


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.015, "15ms"), (2.4, "2.4s"), (12, "12s"), (58.891, "58.891s"), (72, "1m12s"), (0, "0ms")],
)
def test_waits_are_written_as_the_api_writes_them(seconds: float, written: str) -> None:
    assert duration(seconds) == written


# As a program


def test_help_and_start_teach_how_to_use_it() -> None:
    command = [sys.executable, "-m", "fake_openai"]
    shown = subprocess.run([*command, "--help"], cwd=TESTS, capture_output=True, text=True, check=True).stdout
    assert '--rule \'{"prompt": "mug", "behavior": "blank", "first": 1}\'' in shown and "_record" in shown
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--port", "0", "--rule", '{"behavior": "overloaded"}', "--latency", "0", "0.01"],
        cwd=TESTS,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(13)]
        process.terminate()
    text = "".join(lines)
    url = text.split("listens at ")[1].split("/v1")[0]
    assert f"    base_url: {url}/v1\n" in text
    assert f"export OPENAI_BASE_URL={url}/v1\n" in text and "export OPENAI_API_KEY=" in text


@pytest.mark.parametrize(
    "arguments",
    [["--rule", '{"behavior": "blanc"}'], ["--rule", '{"behavior": "blank", "prompt": "("}'], ["--latency", "2", "1"]],
)
def test_settings_that_are_not_allowed_are_told_and_start_nothing(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fake_openai", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "these settings are not allowed" in capsys.readouterr().err
