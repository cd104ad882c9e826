"""What a hosted comparator requests, caches and refuses, against a local service."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, compare
from similarity_lab.distances.comparators import Comparator
from similarity_lab.errors import ImageError, InputError, QuotaError
from similarity_lab.hosted import DEEPAI, HostedComparator, Price, rapidapi
from similarity_lab.relevance import MeanDistanceRule

from .conftest import KEY


def expected_distances(a, b):
    return np.array([[np.abs(x.mean((0, 1)) - y.mean((0, 1))).mean() for y in b] for x in a])


def test_each_pair_is_requested_once(server, hosted, photos):
    comparator = hosted(price=Price(per_request=0.5))
    assert isinstance(comparator, Comparator) and not server.headers
    result = comparator.distances(photos, photos)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected_distances(photos, photos), atol=1.5)  # JPEG
    np.testing.assert_array_equal(result, result.T)
    assert len(server.headers) == 3, "each pair once, none with itself"
    comparator.distances(photos[:1], photos)
    usage = comparator.usage
    assert (usage.requests, usage.cached) == (3, 6 + 3)
    assert (usage.cost, comparator.remaining) == (1.5, 97)


def test_learned_rule_refuses_a_comparator_without_vectors(server, hosted, library):
    with pytest.raises(ValueError, match=r"no vectors to learn from; pass rule=MeanDistanceRule"):
        RelevanceScorer("almonds", embedder=hosted(), progress=False).fit(library)
    assert not server.headers


def test_images_are_sent_small_and_without_exif_or_name(server, hosted, tmp_path):
    image = Image.new("RGB", (600, 300), (9, 99, 199))
    exif = image.getexif()
    exif[0x010E] = "the buyer's desk"
    image.save(tmp_path / "secret name.jpg", exif=exif)
    assert compare(tmp_path / "secret name.jpg", image, comparator=hosted(side=64)) < 1
    (pair,) = server.images
    assert not any(b"desk" in data or b"Exif" in data for data in pair)
    assert [Image.open(io.BytesIO(data)).size for data in pair] == [(64, 32)] * 2
    (headers,) = server.headers
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["api-key"] == KEY and "secret" not in str(headers)


def test_rapidapi_sends_json_and_returns_a_similarity(server, hosted, photos, service):
    content_types = []

    def answer(handler):
        content_types.append(handler.headers["Content-Type"])
        handler.answer(200, {}, b'{"similarity_score": "0.75"}')

    server.script = [answer]
    provider = rapidapi("compare.p.rapidapi.com", "/score")
    provider = replace(provider, url=service.url, key_variable=service.key_variable)
    assert hosted(service=provider).distances(photos[:1], photos[1:2]) == pytest.approx(0.25)
    assert content_types == ["application/json"]
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["x-rapidapi-host"] == "compare.p.rapidapi.com"
    assert headers["x-rapidapi-key"] == KEY


def test_rapidapi_options_override_the_defaults():
    service = rapidapi("x.example", "/y", fields=("a", "b"), form="multipart")
    assert (service.fields, service.form) == (("a", "b"), "multipart")


def test_quota_is_checked_before_the_first_request(server, hosted, photos):
    comparator = hosted(max_requests=2)
    with pytest.raises(QuotaError, match=r"3 pairs .* leaves 2; nothing was sent"):
        comparator.distances(photos, photos)
    assert not server.headers and comparator.usage.requests == 0
    comparator.distances(photos[:1], photos)  # two unknown pairs are within it
    with pytest.raises(QuotaError, match="leaves 0;"):
        comparator.distances(photos[1:2], photos[2:])
    assert len(server.headers) == 2


def test_usage_without_a_price_has_no_cost(hosted):
    assert hosted().usage.cost is None


def test_retries_count_as_requests(server, hosted, photos):
    server.script = [500, 500]
    comparator = hosted(max_requests=2)
    with pytest.raises(QuotaError, match="max_requests=2 requests were made"):
        comparator.distances(photos[:1], photos[1:2])
    assert len(server.headers) == 2


def test_cached_answers_are_not_requested_again(server, hosted, photos, tmp_path):
    file = tmp_path / "cache" / "answers.jsonl"
    server.script = [None, None, 402]
    with pytest.raises(QuotaError, match="status 402"):
        hosted(answers=file).distances(photos, photos)
    assert len(server.headers) == 3
    resumed = hosted(answers=file, max_requests=1)
    result = resumed.distances(photos, photos)
    assert len(server.headers) == 4 and resumed.usage.requests == 1
    offline = hosted(answers=file, max_requests=0)
    np.testing.assert_array_equal(offline.distances(photos, photos), result)
    assert len(file.read_text().splitlines()) == 3 and KEY not in file.read_text()
    with pytest.raises(QuotaError):  # another size is another question
        hosted(answers=file, max_requests=0, side=32).distances(photos, photos)


def test_truncated_last_line_of_the_cache_is_requested_again(hosted, photos, tmp_path):
    file = tmp_path / "answers.jsonl"
    hosted(answers=file).distances(photos[:2], photos[2:])
    content = file.read_bytes()
    file.write_bytes(content[:-9])
    resumed = hosted(answers=file)
    assert len(resumed.answers) == 1
    resumed.distances(photos[:2], photos[2:])
    assert sorted(file.read_bytes().splitlines()) == sorted(content.splitlines())


def test_cache_ignores_lines_of_other_services(hosted, tmp_path):
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"service": "another", "a": "1", "b": "2", "distance": 3}) + "\n")
    assert len(hosted(answers=file).answers) == 0


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"\xff", b'{"service": "x", "a": "1", "b": "2", "distance": NaN}']
)
def test_cache_of_another_kind_is_refused(hosted, tmp_path, line):
    file = tmp_path / "answers.jsonl"
    file.write_bytes(b'{"service": "x", "a": "1", "b": "2", "distance": 1}\n' + line + b"\n")
    with pytest.raises(InputError, match=r"line 2: not an answer of a hosted service"):
        hosted(answers=file)


def test_cache_that_cannot_be_written_fails_before_a_request(hosted, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        hosted(answers=tmp_path / "file" / "answers.jsonl")


def test_scorer_decides_with_a_hosted_comparator(server, hosted, library, sites):
    scorer = RelevanceScorer(
        "almonds",
        rule=MeanDistanceRule(20.0, draw="all"),
        embedder=hosted(max_requests=200),
        progress=False,
    ).fit(library)
    assert not server.headers, "a fixed threshold needs no requests"
    results = [scorer.decide(sites / name) for name in ("nut-shop", "date-shop")]
    assert [result.relevant for result in results] == [True, False]
    assert results[0].share == pytest.approx(0.4)
    assert len(server.headers) == 6 * 14, "six dates are in both shops and are requested once"
    assert KEY not in str(results[0].to_dict())


def test_vectors_of_another_embedder_are_an_error(hosted, photos):
    comparator = hosted()
    vectors = comparator.embedder.embed(photos).vectors
    with pytest.raises(InputError, match="unknown image"):
        hosted().between(vectors[:1], vectors[1:])
    for foreign in (np.zeros((1, 16), np.float32), np.full((1, 1280), np.nan, np.float32)):
        with pytest.raises(InputError, match="unknown image"):
            comparator.between(foreign, vectors)


def test_unreadable_image_is_an_error(hosted, photos):
    with pytest.raises(ImageError):
        hosted().distances([b"no image"], photos)


@pytest.mark.parametrize(
    "limit", [{"max_requests": -1}, {"side": 3}, {"tries": 0}, {"timeout": 0}, {"backoff": -1}]
)
def test_invalid_limit_is_refused(limit):
    with pytest.raises(InputError, match="expected"):
        HostedComparator(DEEPAI, **{"max_requests": 1} | limit)
