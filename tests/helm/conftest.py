"""Renderings that tests share."""

import pytest

from chart import VALUE_SETS, render, values_of


@pytest.fixture(scope="session", params=VALUE_SETS)
def rendered(request):
    """The objects of each set of values in ci/."""
    return render(*values_of(request.param))


@pytest.fixture(scope="session")
def default():
    return render()


@pytest.fixture(scope="session")
def everything():
    return render(*values_of("everything"))


@pytest.fixture(scope="session")
def production():
    return render(*values_of("production"))
