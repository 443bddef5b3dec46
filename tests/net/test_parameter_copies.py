"""Arrays of `Net.params`: copies, in which no assignment is lost silently."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.errors import DataError
from tiny_nets import two_towers

NAME = "conv1.weight"  # (8, 3, 5, 5)


def item(net: Net) -> None:
    net.params[NAME][0, 0, 0, 0] = 1


def whole(net: Net) -> None:
    net.params[NAME][...] = 1


def mask(net: Net) -> None:
    net.params[NAME][net.params[NAME] < 0] = 0


def added(net: Net) -> None:
    net.params[NAME][0] += 1


def added_to_a_view(net: Net) -> None:
    net.params[NAME][0][1] -= 1


def added_to_a_number(net: Net) -> None:
    net.params[NAME][0, 0, 0, 0] *= 3


def view(net: Net) -> None:
    net.params[NAME][0][1] = 1


def views(net: Net) -> None:
    net.params[NAME][1:][0].T[2][:] = 1


def reshaped(net: Net) -> None:
    net.params[NAME].reshape(-1)[0] = 1


def filled(net: Net) -> None:
    net.params[NAME].fill(0)


def rows(net: Net) -> None:
    net.params[NAME][3].fill(0)


def sorted_(net: Net) -> None:
    net.params[NAME].sort(axis=0)


@pytest.mark.parametrize(
    "lose",
    [
        item,
        whole,
        mask,
        added,
        added_to_a_view,
        added_to_a_number,
        view,
        views,
        reshaped,
        filled,
        rows,
        sorted_,
    ],
)
def test_an_assignment_that_would_be_lost_is_an_error(lose: Callable[[Net], None]) -> None:
    net = Net(two_towers(), seed=1)
    before = net.params[NAME]
    with pytest.raises(DataError, match=r"net\.params\['conv1\.weight'\] returns a copy.* = w$"):
        lose(net)
    assert np.array_equal(net.params[NAME], before)


def test_a_copy_that_is_kept_can_be_changed_and_assigned() -> None:
    net = Net(two_towers(), seed=1)
    w = net.params[NAME]
    before = w.copy()
    w[0] = 1
    w[1][2] = 2
    w[2].fill(3)
    w[3, 0].T[...] = 4
    w[4:] *= 2
    w[4] += 1
    w -= 1
    row = w[5]
    row[0] = 5
    holder = {"w": [w]}
    holder["w"][0][6] = 6
    assert np.array_equal(net.params[NAME], before)  # a copy, as documented
    net.params[NAME] = w
    assert np.array_equal(net.params[NAME], w)
    assert (w[0] == 0).all() and (w[5, 0] == 5).all() and (w[6] == 6).all()
    net.params[NAME] *= 2
    assert np.array_equal(net.params[NAME], 2 * w)

    def change(array: Any) -> Any:
        array[0] = 7
        return array

    net.params[NAME] = change(net.params[NAME])
    assert (net.params[NAME][0] == 7).all()


def test_copies_are_used_like_plain_arrays() -> None:
    net = Net(two_towers(), seed=1)
    w = net.params[NAME]
    plain = np.array(w)
    for made in (w + 1, w[0, 0] @ w[0, 0], np.sqrt(abs(w)), w == w, copy.deepcopy(w),
                 pickle.loads(pickle.dumps(w)), pickle.loads(pickle.dumps(w, protocol=2)),
                 np.concatenate([w, w])):  # fmt: skip
        assert type(made) is np.ndarray
    for number in (w.sum(), w.mean(), w.max(), np.linalg.norm(w), w[0, 0, 0, 0], w.std()):
        assert isinstance(number, np.floating) and {number}
    assert repr(w) == repr(plain) and str(w) == str(plain)
    assert w.sum() == plain.sum()
    other = np.zeros_like(w)
    other[0] = 1
    np.zeros_like(w)[0] = 1  # not a parameter
    w.copy()[0] = 1
