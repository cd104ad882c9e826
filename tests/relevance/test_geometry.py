"""The rule's constants on simulated embedders of very different geometry (`benchmarks.spaces`)."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.geometry import fit, simulated_task
from benchmarks.spaces import BASE, HELD_OUT, SPACES
from similarity_lab.relevance.offered import offered_evidence
from similarity_lab.relevance.rules.prototypes import one_thread

SMALL = [space for space in SPACES if space.dimension <= 768]


def sites_of(space, seeds=(0, 1), references="photos"):
    """Return P(offered) of simulated sites, and which of them show the target."""
    chances, sells = [], []
    for seed in seeds:
        task = simulated_task(space, seed)
        with one_thread:
            rule = fit(task, references)
            for vectors, shows in task.sites[:24]:
                columns = rule.columns(vectors, np.empty((len(vectors), 0)), [])
                known = rule.site_calibration(vectors)
                chances.append(offered_evidence(columns["margin"], None, known).probability(0.5))
                sells.append(shows.any())
    return np.array(chances), np.array(sells)


@pytest.mark.parametrize("space", SMALL, ids=lambda space: space.name)
def test_decisions_hold_in_every_geometry(space):
    """Sellers are ranked first, and sure answers are mostly right, with the same constants."""
    chances, sells = sites_of(space)
    above = (chances[sells][:, None] > chances[~sells][None]).mean()
    assert above > 0.85
    is_sure = np.maximum(chances, 1 - chances) >= 0.9
    assert is_sure.mean() > 0.15
    assert ((chances > 0.5) == sells)[is_sure].mean() > 0.8


def test_sure_answers_are_right_in_spaces_of_other_kinds():
    """Kinds on which no constant was chosen, with seeds that the benchmark does not have."""
    spaces = [space for space in HELD_OUT if space.dimension <= 256]
    found = [sites_of(space, seeds=(100, 101, 102)) for space in spaces]
    chances, sells = (np.concatenate(parts) for parts in zip(*found, strict=True))
    is_sure = np.maximum(chances, 1 - chances) >= 0.9
    assert is_sure.mean() > 0.35
    assert ((chances > 0.5) == sells)[is_sure].mean() >= 0.95


@pytest.mark.parametrize("cone", [0.3, 0.9])
def test_cone_does_not_change_decisions(cone):
    """Whitening takes the mean off: how narrow the cone is does not matter."""
    space = replace(BASE, dimension=256)
    wide, _ = sites_of(space, seeds=(3,))
    narrow, _ = sites_of(replace(space, cone=cone), seeds=(3,))
    np.testing.assert_allclose(wide, narrow, atol=0.15)


def test_noisy_scores_of_few_dimensions_are_trusted_less():
    few = replace(BASE, dimension=8, within=0.6, decay=0.0, nuisance=1)
    noise = [
        fit(simulated_task(space, 0), "photos").calibration.margin_noise for space in (BASE, few)
    ]
    assert noise[0] == 1 and noise[1] > 1.5


def test_names_that_are_not_known_decide_nothing():
    joint = replace(BASE, dimension=256, cone=0.55)
    chances, _ = sites_of(replace(joint, text=0.0), references="names")
    assert (np.maximum(chances, 1 - chances) < 0.9).mean() > 0.95
    chances, sells = sites_of(replace(joint, text=0.7), references="names")
    assert np.median(chances[sells]) > 0.9 and np.median(chances[~sells]) < 0.5
