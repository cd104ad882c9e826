"""Names of targets in the scorer: whose they are, and that they are read."""

from unicodedata import normalize

import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import InputError, InputTypeError, UnknownClassError


@pytest.fixture
def fit(shelf, embedder):
    """Fit a scorer for almonds with these words."""

    def fit(words=None, **params):
        scorer = RelevanceScorer("almonds", words=words, progress=False, **params)
        return scorer.set_params(embedder=embedder).fit(shelf)

    return fit


@pytest.fixture
def shop(written):
    """Twelve images whose texts are made-up words, each of one product."""
    paths = [p for name in ("almonds", "figs", "soap") for p in written("shop", name, 4, seed=1)]
    alts = [alt for alt in ("Krubel", "Zorfen", "Seife") for _ in range(4)]
    origins = pd.DataFrame({"path": [*map(str, paths)], "url": "", "page": "", "alt": alts})
    return Site("shop", tuple(paths), origins=origins)


def named(scorer, shop, targets=("almonds", "figs")):
    """Return how many images the texts name of each target."""
    table = scorer.decide_many([shop], targets)
    return dict(zip(table["target"], table["n_named"], strict=True))


def test_list_of_words_belongs_to_the_target_of_the_scorer(fit, shop):
    assert named(fit(), shop) == {"almonds": 0, "figs": 0}
    scorer = fit(["Krubel"])
    assert named(scorer, shop) == {"almonds": 4, "figs": 0}
    assert scorer.for_target("figs").words is None
    assert fit(["Zorfen"]).decide(shop).n_named == 4


def test_mapping_has_the_words_of_each_target(fit, shop):
    scorer = fit({"figs": ["Zorfen"]})
    assert named(scorer, shop) == {"almonds": 0, "figs": 4}
    both = fit({"figs": ["Zorfen"], "almonds": ["Krubel", "Seife"]})
    assert named(both, shop) == {"almonds": 8, "figs": 4}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_of_a_target_in_another_unicode_form(written, embedder, shelf, shop, form):
    library = {**shelf, normalize("NFC", "crème"): shelf["almonds"]}
    target = normalize("NFD" if form == "NFC" else "NFC", "crème")
    scorer = RelevanceScorer(target, words={normalize(form, "crème"): ["Krubel"]}, progress=False)
    scorer.set_params(embedder=embedder).fit(library)
    assert scorer.decide(shop).n_named == 4


def test_no_words_switches_texts_off_for_all_targets(fit, shop):
    alts = ["almonds"] * 6 + ["figs"] * 6
    shop = Site("shop", shop.paths, origins=shop.origins.assign(alt=alts))
    assert named(fit(), shop) == {"almonds": 6, "figs": 6}
    assert named(fit(()), shop) == {"almonds": 0, "figs": 0}
    assert fit(()).decide(shop).settings.words == ()
    assert named(fit({"figs": ()}), shop) == {"almonds": 6, "figs": 0}


def test_own_target_is_not_fitted_again(fit, shop, monkeypatch):
    scorer = fit(["Krubel"])
    monkeypatch.setattr(scorer, "for_target", None)
    assert named(scorer, shop, "almonds") == {"almonds": 4}


@pytest.mark.parametrize("words", [["Krubel"], {"almonds": ("Krubel",), "figs": ["Zorfen"]}, ()])
def test_saved_scorer_has_its_words(fit, shop, embedder, tmp_path, words):
    scorer = fit(words)
    scorer.save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder)
    assert loaded.decide(shop).to_row() == scorer.decide(shop).to_row()
    assert loaded.words_.names == scorer.words_.names


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("Mandeln", InputTypeError, r"pass \['Mandeln'\]"),
        ({"figs": "Feigen"}, InputTypeError, r"pass \['Feigen'\]"),
        ({"fig": ["Feigen"]}, UnknownClassError, "Did you mean 'figs'"),
        (["Mandeln", " "], InputError, "expected names of 'almonds' in words, got ' '"),
    ],
)
def test_bad_words(fit, words, error, message):
    with pytest.raises(error, match=message):
        fit(words)


def test_mean_distance_rule_reads_no_words(fit):
    with pytest.raises(InputError, match="reads no words"):
        fit(["Mandeln"], rule="mean-distance")
