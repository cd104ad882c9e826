import numpy as np
import pandas as pd
import pytest

from similarity_lab import ImageDataset, RelevanceScorer, Site, load_dataset, plots
from similarity_lab.sites import ORIGIN_COLUMNS


@pytest.fixture
def result(library, sites, stub):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False)
    return scorer.fit(library).decide(sites / "nut-shop")


def image_axes(figure):
    return [axis for axis in figure.axes if axis.images]


def test_contact_sheet_shows_a_sample_of_each_class(library, texts, assert_drawn):
    figure = plots.contact_sheet(load_dataset(library, progress=False), per_class=4)
    assert_drawn(figure)
    assert len(image_axes(figure)) == 12 and "almonds 6 images" in texts(figure)


def test_contact_sheet_shows_all_images_of_a_small_class(library):
    figure = plots.contact_sheet(load_dataset(library / "oats", progress=False), per_class=9)
    assert len(image_axes(figure)) == 6


def test_thumbnails_keep_the_aspect_ratio():
    dataset = ImageDataset.from_arrays(np.zeros((1, 10, 40, 3), np.uint8), [0], ["oats"])
    (axis,) = image_axes(plots.contact_sheet(dataset))
    dark = (axis.images[0].get_array() < 128).all(axis=2)
    assert dark.shape == (112, 112)
    assert dark.any(axis=1).sum() == 28 and dark.any(axis=0).sum() == 112


def test_site_sheet_shows_the_nearest_images_first(result, texts, assert_drawn):
    figure = plots.site_sheet(result, columns=4, n_images=6)
    assert_drawn(figure)
    titles = [axis.get_title() for axis in image_axes(figure)]
    assert [title.split(" ", 1)[1] for title in titles] == ["match"] * 4 + ["no match"] * 2
    assert titles == sorted(titles)
    assert "first 6 of 10 images" in texts(figure)


def test_site_sheet_shows_probabilities_of_the_learned_rule(library, sites, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    figure = plots.site_sheet(scorer.decide(sites / "nut-shop"), columns=4, n_images=2)
    assert all("%" in axis.get_title() for axis in image_axes(figure))


def test_site_sheet_shows_what_texts_name(library, sites, stub, texts):
    site = Site.from_folder(sites / "nut-shop")
    alts = ["Almonds", "Dates", *[""] * 8]
    origins = pd.DataFrame({"path": site.paths, "alt": alts}).reindex(columns=ORIGIN_COLUMNS)
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result = scorer.decide(Site(site.name, site.paths, site.skipped, site.root, origins))
    figure = plots.site_sheet(result, columns=5)
    labels = [[text.get_text() for text in axis.texts] for axis in image_axes(figure)]
    assert labels[0] == ["named"] and labels.count(["other named"]) == 1
    assert sum(map(len, labels)) == 2
    matches = [axis.get_title().endswith("% match") for axis in image_axes(figure)]
    assert sum(matches) == result.n_matches_with_words


def test_reference_neighbours_pairs_each_image_with_a_reference(result, texts, assert_drawn):
    figure = plots.reference_neighbours(result, n_images=5)
    assert_drawn(figure)
    assert len(image_axes(figure)) == 10 and "nearest reference" in texts(figure)
    assert len(image_axes(plots.reference_neighbours(result, n_images=99))) == 20
