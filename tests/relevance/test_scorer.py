import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site, SiteRelevance, compare, load_embedder
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.errors import InputError, SiteError, UnknownClassError
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import MeanDistanceRule, ReferenceDraw
from similarity_lab.relevance.tables import DECISION_COLUMNS
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.study import original_decision, original_distances


def original(target, **parameters):
    """Return a scorer with the mean-distance rule."""
    of_rule = MeanDistanceRule().get_params()
    rule = MeanDistanceRule(
        **{name: parameters.pop(name) for name in of_rule if name in parameters}
    )
    return RelevanceScorer(target, **{"rule": rule, **parameters})


@pytest.fixture
def fitted(library, stub):
    return original("almonds", embedder=stub, progress=False).fit(library)


def test_decide_returns_its_evidence(fitted, sites):
    result = fitted.decide(sites / "nut-shop")
    assert isinstance(result, SiteRelevance)
    assert (result.site, result.target, result.decision) == ("nut-shop", "almonds", "relevant")
    assert result.relevant and result.share == 0.4 and result.probability is None
    assert result.interval == wilson_interval(4, 10)
    assert list(result.images.columns) == SCORE_COLUMNS
    assert result.images["path"].tolist() == [*map(str, sorted((sites / "nut-shop").iterdir()))]
    assert result.images["is_match"].tolist() == [True] * 4 + [False] * 6
    np.testing.assert_array_equal(result.images["score"], -result.images["distance"])
    assert {Path(p).parent.name for p in result.images["nearest_reference"]} == {"almonds"}
    assert result.versions["similarity_lab"] and result.settings.n_references == 6
    assert "4 of 10 images match; estimated share 40%" in repr(result)
    other = fitted.decide(sites / "date-shop")
    assert (other.decision, other.relevant, other.share) == ("irrelevant", False, 0.0)


def test_distances_equal_the_double_loop(fitted, sites, library, stub):
    """Oracle: the double loop with SciPy-equal distances, image by image."""
    result = fitted.decide(sites / "nut-shop")
    references = sorted((library / "almonds").iterdir())
    draw = ReferenceDraw()
    for row in result.images.itertuples():
        to_all = [compare(row.path, reference, comparator=stub) for reference in references]
        indices = draw.indices(len(references), content_digest(row.path))
        assert row.distance == pytest.approx(np.mean([to_all[i] for i in indices]), abs=1e-6)
        assert row.nearest_distance == pytest.approx(min(to_all), abs=1e-6)
        assert row.nearest_reference == str(references[int(np.argmin(to_all))])


def test_score_depends_on_the_image_alone(fitted, sites, tmp_path):
    whole = fitted.decide(sites / "nut-shop").images.set_index("path")["score"]
    paths = sorted((sites / "nut-shop").iterdir())
    shuffled = fitted.decide(paths[::-1]).images.set_index("path")["score"]
    pd.testing.assert_series_equal(whole, shuffled.sort_index())
    hidden = shutil.copy(paths[3], tmp_path / "no hint.bin")
    assert fitted.decide([hidden]).images["score"][0] == whole[str(paths[3])]


def test_agrees_with_the_literal_loop(make_image, tmp_path):
    """Same draws, same distances to 1e-5, same decisions as the original's sixteen predictions."""
    paths = []
    for number, color in enumerate(
        [(150, 90, 50), (150, 90, 50), (60, 60, 200), (20, 120, 20)] * 2
    ):
        paths.append(tmp_path / f"{number}.png")
        make_image(color, number, size=(90, 70)).save(paths[-1])
    references, images = paths[:3], paths[3:6]
    scorer = original("it", n_references=4, progress=False).fit({"it": references})
    result = scorer.decide(images)
    model = load_embedder("efficientnet-lite0", color="gray", runtime="keras").model
    expected = original_distances(model, images, references, ReferenceDraw(n=4))
    np.testing.assert_allclose(result.images["distance"], expected, atol=1e-5)
    assert result.relevant == original_decision(expected)
    assert (result.settings.similarity_threshold, result.settings.relevance_threshold) == (
        0.65,
        0.25,
    )


def test_decide_takes_every_source_of_a_site(fitted, sites, tmp_path):
    folder = sites / "nut-shop"
    with zipfile.ZipFile(tmp_path / "nut-shop.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    paths = [str(path) for path in sorted(folder.iterdir())]
    expected = fitted.decide(folder).images["score"]
    for site in (str(folder), tmp_path / "nut-shop.zip", paths, Site.from_folder(folder, name="x")):
        pd.testing.assert_series_equal(fitted.decide(site).images["score"], expected)
    files = [io.BytesIO(path.read_bytes()) for path in sorted(folder.iterdir())]
    pd.testing.assert_series_equal(fitted.decide(files).images["score"], expected)
    assert fitted.decide(paths).images["path"].tolist() == paths
    assert fitted.decide(tmp_path / "nut-shop.zip").site == "nut-shop"
    with pytest.raises(TypeError, match="expected a Site, a folder"):
        fitted.decide(7)


def test_unreadable_files_are_listed_and_not_counted(fitted, sites):
    folder = sites / "nut-shop"
    (folder / "index.html").write_text("<html>")
    (folder / "00 broken.jpg").write_bytes((folder / "00.jpg").read_bytes()[:-60])
    result = fitted.decide(folder)
    assert result.share == 0.4 and result.n_scored == 10
    assert len(result.images) == 12 and len(result.skipped) == 2
    bad = result.images[result.images["status"] == "skipped"]
    assert bad["score"].isna().all() and not bad["is_match"].any()
    assert [reason.split()[0] for reason in bad["reason"]] == ["damaged", "unsupported"]


def test_sites_without_readable_images_fail_with_a_reason(fitted, sites, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.jpg").write_text("no")
    with pytest.raises(SiteError, match="empty: the site has no files"):
        fitted.decide(tmp_path / "empty")
    with pytest.raises(SiteError, match="no readable image among its 1 file .*like text"):
        fitted.decide(tmp_path / "words")
    bad = [tmp_path / "words", tmp_path / "absent", tmp_path / "half.zip", ["no.jpg"]]
    bad[2].write_bytes(b"PK half of it")
    table = fitted.decide_many([sites / "nut-shop", *bad, sites / "date-shop"])
    assert list(table.columns) == DECISION_COLUMNS and len(table) == 6
    assert table["decision"].fillna("").tolist() == ["relevant", *[""] * 4, "irrelevant"]
    expected = ["looks like text", "no such folder", "truncated or damaged", "no.jpg: no such file"]
    for words, reason in zip(expected, table["reason"][1:5], strict=True):
        assert words in reason
    assert table["site"].tolist()[1:5] == ["words", str(tmp_path / "absent"), "half", "site"]


def test_rethreshold_embeds_nothing(fitted, sites, stub):
    result = fitted.decide(sites / "nut-shop")
    stub.embed = None
    strict = result.rethreshold(similarity_threshold=-1.0)
    assert strict.share == 0 and strict.decision == "irrelevant" and result.share == 0.4
    assert result.rethreshold(relevance_threshold=0.41).decision == "irrelevant"
    everything = result.rethreshold(similarity_threshold=9.0, relevance_threshold=1.0)
    assert everything.relevant and everything.n_matches == 10
    changes = {"similarity_threshold": 9.0, "relevance_threshold": 1.0}
    assert everything.settings == replace(result.settings, **changes)
    for threshold in result.images["distance"]:
        brute = (result.images["distance"] <= threshold).mean()
        assert result.rethreshold(similarity_threshold=threshold).share == brute
    with pytest.raises(ValueError, match="share from 0 to 1"):
        result.rethreshold(relevance_threshold=25)
    with pytest.raises(AttributeError):
        result.share = 1.0


def test_nearest_misses_are_sorted_by_score(fitted, sites):
    result = fitted.decide(sites / "nut-shop")
    misses = result.nearest_misses(3)
    rest = result.images[~result.images["is_match"]]["score"]
    assert misses["score"].tolist() == sorted(rest, reverse=True)[:3]


def test_notebook_view_is_escaped(fitted, make_image, tmp_path):
    folder = tmp_path / "<script>alert(1)<"
    folder.mkdir()
    make_image((150, 90, 50)).save(folder / "<img src=x>.png")
    page = fitted.decide(folder)._repr_html_()
    assert "<script>" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


def test_default_threshold_is_for_the_original_embedder_only(library, stub):
    scorer = original("almonds", embedder=stub, progress=False).fit(library)
    assert 0 < scorer.rule_.similarity_threshold < 0.65
    with pytest.raises(InputError, match="pass similarity_threshold, or a library"):
        original("almonds", embedder=stub, progress=False).fit(library / "almonds")


def test_original_embedder_has_the_original_threshold(library):
    gray = EmbeddingComparator("efficientnet-lite0", color="gray")
    scorer = original("almonds", embedder=gray, progress=False).fit(library)
    assert scorer.rule_.similarity_threshold == 0.65


def test_fit_uses_the_similarity_threshold(library, stub):
    scorer = original("almonds", embedder=stub, similarity_threshold=0.1, progress=False)
    assert scorer.fit(library / "almonds").rule_.similarity_threshold == 0.1


def test_threshold_from_library_replaces_the_original_one(library):
    scorer = original("almonds", similarity_threshold="from-library", progress=False)
    assert scorer.fit(library).rule_.similarity_threshold < 0.65


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"similarity_threshold": float("nan")}, "finite number"),
        ({"similarity_threshold": "from library"}, 'a number or "from-library"'),
        ({"draw": "without-replacement"}, "lower n_references to 6"),
        ({"draw": "without-replacment"}, "Did you mean 'without-replacement'"),
        ({"aggregate": "median"}, "aggregate must be one of"),
        ({"n_references": 0}, "at least 1"),
    ],
)
def test_fit_refuses_invalid_parameters_of_the_rule(library, stub, parameters, message):
    with pytest.raises(InputError, match=message):
        original("almonds", embedder=stub, progress=False, **parameters).fit(library)


def test_fit_lists_the_classes_for_an_unknown_target(library, stub):
    with pytest.raises(UnknownClassError, match="almonds, dates, oats"):
        original("figs", embedder=stub, progress=False).fit(library)


def test_unreadable_references_are_listed_in_skipped(library, stub):
    (library / "almonds" / "bad.jpg").write_text("no")
    scorer = original("almonds", embedder=stub, progress=False).fit(library)
    assert len(scorer.reference_names_) == 6 and len(scorer.skipped_) == 1


def test_to_row_is_json(fitted, sites):
    row = fitted.decide(sites / "nut-shop").to_row()
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize("method", ["decide_many", "predict"])
def test_one_site_instead_of_a_list_is_refused(fitted, method):
    with pytest.raises(InputError, match="expected a list of sites"):
        getattr(fitted, method)("sites/shop")
