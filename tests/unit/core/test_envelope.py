import json
from typing import Any

import pytest

from gateway.core.envelope import Envelope, EnvelopeReader, replacement
from gateway.core.errors import GatewayError

JSON = "application/json"
READER = EnvelopeReader(("safety_identifier", "user", "metadata.user_id"))
LONG_TEXT = 'say "model": and \\ "user": again. ' * 200


def read(value: bytes | dict[str, Any]) -> Envelope:
    return READER.read(value if isinstance(value, bytes) else json.dumps(value).encode(), JSON)


def refused(body: bytes, content_type: str = JSON) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        READER.read(body, content_type)
    assert caught.value.status == 400
    assert caught.value.code == "invalid_body"
    return caught.value


def test_what_decides_the_way_is_read() -> None:
    got = read(
        {
            "model": "a",
            "stream": True,
            "user": "u",
            "previous_response_id": "r",
            "metadata": {"user_id": "m"},
            "n": 2,
        }
    )
    assert got == Envelope("a", stream=True, units={"user": "u", "metadata.user_id": "m"}, previous_response_id="r")


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("42", "42"),
        ('"42"', "42"),
        ("4.50", "4.50"),
        ("true", "true"),
        ('"\\u00e9"', "é"),
        ("null", None),
        ('""', None),
        ("[1]", None),
        ('{"id": 1}', None),
    ],
)
def test_a_unit_is_a_string_or_the_json_text_of_a_number_or_boolean(value: str, unit: str | None) -> None:
    assert read(f'{{"model": "a", "user": {value} }}'.encode()).units.get("user") == unit


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"model"', "not a JSON object"),
        (b'{"model":"a"', "not a JSON object"),
        (b'{"model":"a"} {}', "not a JSON object"),
        (b'{"model":"a","x":NaN}', "not a JSON object"),
        (b'\xef\xbb\xbf{"model":"a"}', "not a JSON object"),
        ('{"model":"a"}'.encode("utf-16"), "not a JSON object"),
        (b'{"model":"a","x":"\xff"}', "UTF-8"),
        (b'{"model":"a\xff"}', "UTF-8"),
        (b'{"model":"\\ud800"}', "not a JSON object"),
        (b"{}", "no model"),
        (b'{"model":null}', "no model"),
        (b'{"model":""}', "no model"),
        (b'{"model":1}', "not a string"),
        (b'{"model":["a"]}', "not a string"),
        (b'{"model":"a","previous_response_id":7}', "not a string"),
        (b'{"model":"a","model":"b"}', "twice"),
        (b'{"model":"a","model":"a"}', "twice"),
        (b'{"model":"a", "mod\\u0065l":"b"}', "twice"),
        (b'{"mod\\u0065l":"a"}', "escapes"),
        (b'{"model":"a","us\\u0065r":"b"}', "escapes"),
        (b'{"model":"a","user":"a","x":1,"user" : "b"}', "twice"),
        (b'{"model":"a","metadata":{"user_id":1,"user_id":2}}', "twice"),
        (b'{"model":"a","metadata":{"us\\u0065r_id":1}}', "escapes"),
        (b'{"model":"a","metadata":{},"metadata":{"user_id":2}}', "twice"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"model":"a"}', "too deeply"),
        (b'{"model":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "too deeply"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(body: bytes, said: str) -> None:
    assert said in str(refused(body))


def test_the_same_names_elsewhere_in_a_body_are_nobody_s_business() -> None:
    got = read(
        {
            "model": "a",
            "messages": [{"role": "user", "content": LONG_TEXT, "model": "x", "user": "y"}] * 2,
            "user": "u",
            "tools": [{"model": {}, "user": {}}],
            "metadata": {"x": {"user_id": 1}, "user_id": "m"},
        }
    )
    assert (got.model, got.units) == ("a", {"user": "u", "metadata.user_id": "m"})


@pytest.mark.parametrize(
    "body",
    [
        # A second model hidden around what the fast path cuts out.
        b'{"messages":[],"model":"a","messages":[' + b'"x",' * 1000 + b'1],"model":"b"}',
        b'{"messages":[' + b'"x",' * 1000 + b'1],"model":"a","messages":[' + b'"x",' * 1000 + b'1],"model":"b"}',
        b'{"model":"a","a\\"messages":['
        + b'"x",' * 1000
        + b'1],"messages":['
        + b'"x",' * 1000
        + b'1],"model":"b"}',
        b'{"y":{"messages":['
        + b'"x",' * 1000
        + b'1]},"model":"a","messages":['
        + b'"x",' * 1000
        + b'1],"model":"b"}',
    ],
)
def test_no_second_model_hides_behind_long_messages(body: bytes) -> None:
    assert "twice" in str(refused(body))


def test_a_search_for_repeated_keys_is_bounded() -> None:
    body = b'{"model":"a","x":[' + b'{"model":1},' * 200_000 + b"0]}"
    assert "cannot be searched" in str(refused(body))


@pytest.mark.parametrize("key", ["", "a..b", ".a", "a b", 'a"', "é", "a/b"])
def test_a_body_key_that_no_client_sends_plainly_is_refused_at_the_start(key: str) -> None:
    with pytest.raises(ValueError, match="body key"):
        EnvelopeReader((key,))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a\\"b","user":"model"}',
        b' { "user" : "model" , "model" : "a\\"b" } ',
        b'{"x":{"model":"no"},"model":"a\\"b"}',
        b'{"x":["model"],"y":"\\"model\\":\\"no\\"","model"\n:\t"a\\"b","z":{"model":"no"}}',
        b'{"messages":[{"content":"' + b"model " * 1000 + b'"}],"model":"a\\"b"}',
    ],
)
def test_only_the_model_s_value_is_replaced(body: bytes) -> None:
    start, end = READER.model_span(body, JSON)
    assert json.loads(body[start:end]) == 'a"b' == READER.read(body, JSON).model
    changed = body[:start] + replacement('new "name" é', JSON) + body[end:]
    assert json.loads(changed) == {**json.loads(body), "model": 'new "name" é'}


BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, str], end: str = "--\r\n") -> bytes:
    head = "".join(f"--{BOUNDARY}\r\n{headers}\r\n\r\n{content}\r\n" for headers, content in parts)
    return f"{head}--{BOUNDARY}{end}".encode()


def field(name: str, content: str) -> tuple[str, str]:
    return f'Content-Disposition: form-data; name="{name}"', content


AUDIO = (
    'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav',
    'RIFF\r\n"model"',
)


def test_a_form_s_model_is_read_and_replaced() -> None:
    body = form(AUDIO, field("model", "whisper"), field("user", "u"), field("stream", "true"))
    assert READER.read(body, FORM) == Envelope("whisper", stream=True, units={"user": "u"}, previous_response_id="")
    start, end = READER.model_span(body, FORM)
    changed = body[:start] + replacement("large", FORM) + body[end:]
    assert changed == form(AUDIO, field("model", "large"), field("user", "u"), field("stream", "true"))


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (form(field("model", "a"), field("model", "b")), FORM, "twice"),
        (form(AUDIO), FORM, "no model"),
        (form(field("model", "")), FORM, "no model"),
        (form(('Content-Disposition: form-data; name="model"; filename="x"', "a")), FORM, "plain text"),
        (form(('Content-Disposition: form-data; name="x"; name="model"', "a")), FORM, "named once"),
        (form(("Content-Disposition: form-data; name*=utf-8''model", "a")), FORM, "named once"),
        (form(('Content-Disposition: form-data; name="mo\\del"', "a")), FORM, "cannot be read"),
        (form(('Content-Disposition: attachment; name="model"', "a")), FORM, "no Content-Disposition"),
        (form(('Content-Disposition: form-data;\r\n name="model"', "a")), FORM, "malformed"),
        (form((field("x", "")[0] + "\r\n" + field("model", "")[0], "a")), FORM, "repeated"),
        (form((field("model", "")[0] + "\r\nContent-Transfer-Encoding: base64", "YQ==")), FORM, "plain text"),
        (form((field("model", "")[0] + "\n\nx: y", "a")), FORM, "malformed"),
        (form(field("model", "a"), end=""), FORM, "not alone"),
        (form(field("model", "a"), end="x"), FORM, "not alone"),
        (form(field("model", "a"), end="--\r\nmore"), FORM, "follows the last"),
        (b"preamble\r\n" + form(field("model", "a")), FORM, "does not start"),
        (form(field("model", "a"))[:-40], FORM, "last boundary is missing"),
        (form(field("model", "a")), "multipart/form-data", "one valid boundary"),
        (form(field("model", "a")), FORM + "; boundary=x", "one valid boundary"),
        (form(*[field("x", "")] * 300), FORM, "over 256 parts"),
        (b"", FORM, "does not start"),
        (form(field("model", "a")).replace(b"a\r\n", b"\xff\r\n"), FORM, "UTF-8"),
    ],
)
def test_a_form_that_two_parsers_could_read_in_two_ways_is_refused(
    body: bytes, content_type: str, said: str
) -> None:
    assert said in str(refused(body, content_type))
