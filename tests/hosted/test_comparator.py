"""What a hosted comparator asks for, keeps and refuses, against a service on this machine."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, compare
from similarity_lab.distances.comparators import Comparator
from similarity_lab.errors import ImageError, QuotaError
from similarity_lab.hosted import DEEPAI, HostedComparator, Price, rapidapi
from similarity_lab.relevance import MeanDistanceRule

from .conftest import KEY


def expected(a, b):
    return np.array([[np.abs(x.mean((0, 1)) - y.mean((0, 1))).mean() for y in b] for x in a])


def test_each_pair_is_asked_for_once(server, hosted, photos):
    comparator = hosted(price=Price(per_request=0.5))
    assert isinstance(comparator, Comparator) and not server.headers
    result = comparator.distances(photos, photos)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected(photos, photos), atol=1.5)  # JPEG
    np.testing.assert_array_equal(result, result.T)
    assert len(server.headers) == 3, "each pair once, none with itself"
    comparator.distances(photos[:1], photos)
    usage = comparator.usage
    assert (usage.requests, usage.answers, usage.looked_up) == (3, 3, 6 + 3)
    assert (usage.money, usage.currency, comparator.remaining) == (1.5, "USD", 97)


def test_the_learned_rule_refuses_what_has_no_vectors(server, hosted, library):
    with pytest.raises(ValueError, match=r"no vectors to learn from; pass rule=MeanDistanceRule"):
        RelevanceScorer("almonds", embedder=hosted(), progress=False).fit(library)
    assert not server.headers, "nothing is asked"


def test_what_is_sent(server, hosted, tmp_path):
    picture = Image.new("RGB", (600, 300), (9, 99, 199))
    exif = picture.getexif()
    exif[0x010E] = "the buyer's desk"
    picture.save(tmp_path / "secret name.jpg", exif=exif)
    assert compare(tmp_path / "secret name.jpg", picture, comparator=hosted(side=64)) < 1
    (sent,) = server.pictures
    assert not any(b"desk" in data or b"Exif" in data for data in sent)
    assert [Image.open(io.BytesIO(data)).size for data in sent] == [(64, 32)] * 2
    (headers,) = server.headers
    assert headers["Api-Key"] == KEY and "secret" not in str(headers)


def test_json_and_similarity(server, hosted, photos, service):
    bodies = []

    def answer(handler):
        bodies.append(handler.headers["Content-Type"])
        handler.answer(200, {}, b'{"similarity_score": "0.75"}')

    server.script = [answer]
    asked = rapidapi("compare.p.rapidapi.com", "/score")
    asked = replace(asked, url=service.url, key_variable=service.key_variable)
    assert hosted(service=asked).distances(photos[:1], photos[1:2]) == pytest.approx(0.25)
    assert bodies == ["application/json"]
    assert server.headers[0]["X-Rapidapi-Host"] == "compare.p.rapidapi.com"
    assert server.headers[0]["X-Rapidapi-Key"] == KEY


def test_quota_refuses_before_asking(server, hosted, photos):
    comparator = hosted(max_requests=2, price=Price(per_request=0.01))
    with pytest.raises(QuotaError, match=r"3 pairs .* leaves 2 requests; nothing was asked.*0\.03"):
        comparator.distances(photos, photos)
    assert not server.headers and comparator.usage.requests == 0
    comparator.distances(photos[:1], photos)  # two unknown pairs are within it
    with pytest.raises(QuotaError, match="leaves 0 requests"):
        comparator.distances(photos[1:2], photos[2:])
    assert len(server.headers) == 2
    with pytest.raises(QuotaError, match="raise max_requests$"):  # without a price, no sum
        hosted(max_requests=2).distances(photos, photos)
    assert hosted().usage.money is None


def test_tries_count_as_requests(server, hosted, photos):
    server.script = [500, 500]
    comparator = hosted(max_requests=2)
    with pytest.raises(QuotaError, match="max_requests=2 requests are made"):
        comparator.distances(photos[:1], photos[1:2])
    assert len(server.headers) == 2


def test_answers_are_kept_and_never_paid_for_again(server, hosted, photos, tmp_path):
    file = tmp_path / "kept" / "answers.jsonl"
    server.script = [None, None, 402]
    with pytest.raises(QuotaError, match="answers 402"):
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


def test_a_file_cut_short_and_a_file_of_something_else(hosted, photos, tmp_path, server):
    file = tmp_path / "answers.jsonl"
    comparator = hosted(answers=file)
    comparator.distances(photos[:2], photos[2:])
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    resumed = hosted(answers=file)
    assert len(resumed.answers) == 1
    resumed.distances(photos[:2], photos[2:])
    assert sorted(file.read_bytes().splitlines()) == sorted(whole.splitlines())
    other = {"service": "another", "a": "1", "b": "2", "distance": 3}
    file.write_bytes(json.dumps(other).encode() + b"\n" + whole)
    assert len(hosted(answers=file).answers) == 2
    for line in (b"{}", b"[]", b"\xff", b'{"service": "x", "a": "1", "b": "2", "distance": NaN}'):
        file.write_bytes(whole + line + b"\n")
        with pytest.raises(ValueError, match=r"line 3: no answer of a hosted service"):
            hosted(answers=file)


def test_plugs_into_the_scorer(server, hosted, library, sites):
    comparator = hosted(max_requests=200)
    scorer = RelevanceScorer(
        "almonds",
        rule=MeanDistanceRule(20.0, draw="all"),
        embedder=comparator,
        progress=False,
    ).fit(library)
    assert not server.headers, "fitting with a threshold asks nothing"
    results = [scorer.decide(sites / name) for name in ("nut-shop", "date-shop")]
    assert [result.relevant for result in results] == [True, False]
    assert results[0].share == pytest.approx(0.4)
    assert len(server.headers) == 6 * 14, "six dates are in both shops, and asked for once"
    assert KEY not in str(results[0].to_dict())


def test_pictures_that_cannot_be_sent(hosted, photos, make_photo, tmp_path):
    file = tmp_path / "photo.png"
    make_photo((1, 2, 3)).save(file)
    comparator = hosted()
    vectors = comparator.embedder.embed([file, photos[0]])
    make_photo((3, 2, 1)).save(file)
    with pytest.raises(ImageError, match="has changed"):
        comparator.between(vectors[:1], vectors[1:])
    with pytest.raises(ValueError, match="has not seen"):
        hosted().between(vectors[:1], vectors[1:])
    with pytest.raises(ValueError, match="own embedder"):
        comparator.between(np.zeros((1, 16), np.float32), vectors)
    with pytest.raises(ImageError, match="holds text"):
        comparator.distances([b"no picture"], photos)


def test_a_file_that_cannot_be_written_is_said_before_asking(hosted, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        hosted(answers=tmp_path / "file" / "answers.jsonl")


def test_limits_that_cannot_be_meant():
    for wrong in ({"max_requests": -1}, {"side": 3}, {"tries": 0}, {"timeout": 0}, {"backoff": -1}):
        with pytest.raises(ValueError, match="expected"):
            HostedComparator(DEEPAI, **{"max_requests": 1} | wrong)
