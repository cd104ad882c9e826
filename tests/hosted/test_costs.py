import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.hosted import Price, cost_of


def brute_force(price, requests):
    """Return months and money, counting month by month."""
    months, money = 0, 0.0
    while requests > 0:
        months += 1
        money += price.per_month
        requests -= price.included
        if price.per_request:
            return months, money + max(0, requests) * price.per_request
        if not price.included:
            return months, money
    return months, money


@given(st.integers(0, 500), st.sampled_from([0, 0.25]), st.sampled_from([0, 2]), st.integers(0, 60))
def test_price_equals_brute_force(requests, per_request, per_month, included):
    price = Price(per_request, per_month, included)
    months, money = brute_force(price, requests)
    assert price.of(requests) == pytest.approx(money)
    assert price.months(requests) == (months if per_month or included else 0)


def test_cost_of_a_thousand_sites():
    study = cost_of(price=Price(per_month=1.99, included=6000))
    assert (study.requests, study.months, study.cost) == (600_000, 100, 199.0)
    assert study.days == pytest.approx(600_000 / 86_400)
    assert cost_of(sites=0, price=Price(per_month=1.99)).cost == 0
