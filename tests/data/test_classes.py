"""Classes of one data set and another: matched by name, never by place in silence."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from alexnet_native.data.arrays import from_arrays
from alexnet_native.data.classes import classes_without_images, same_classes, with_labels_of
from alexnet_native.data.source import ArraySource, Splits
from alexnet_native.errors import DataError


def splits(classes: tuple[str, ...]) -> Splits:
    """One image of each class, whose first pixel is its label in `classes`."""
    count = len(classes)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    source = ArraySource(images, np.arange(count), name="here")
    return Splits("here", classes, {"val": source})


def labels(classes: tuple[str, ...], known: tuple[str, ...] | None, count: int = 0) -> list[int]:
    found = with_labels_of(splits(classes), known, count or len(known or ()))
    val = found.splits["val"]
    order = np.arange(len(classes), dtype=np.int64)
    assert val.gather(order)[:, 0, 0, 0].tolist() == order.tolist()  # the images stay in place
    assert val.image_shape == (2, 2, 3) and len(val) == len(classes)
    assert val.item_name(0) == "here, image 0"
    return val.labels.tolist()


ANGLES = ("0", "180", "270", "90")  # as a folder sorts them


@pytest.mark.parametrize(
    ("classes", "known", "want"),
    [
        (ANGLES, ANGLES, [0, 1, 2, 3]),
        (("0", "270", "90"), ANGLES, [0, 2, 3]),  # one is missing
        (("90",), ANGLES, [3]),
        (("90", "0"), ANGLES, [3, 0]),
        (("0", "1", "2"), ("0", "1", "10", "2"), [0, 1, 3]),  # numbers that a folder sorts as text
        (("2", "1", "0"), ("0", "1", "2"), [2, 1, 0]),
        (("dog", "cat"), ("cat", "cow", "dog"), [2, 0]),
        (("0", "1"), ("cat", "dog"), [0, 1]),  # arrays have numbers, not names
        (("cat",), ("cat", "class 1"), [0]),
        ((unicodedata.normalize("NFD", "é"),), ("e", unicodedata.normalize("NFC", "é")), [1]),
        (("crane", "crane", "owl"), ("crane", "crane", "owl", "tit"), [0, 1, 2]),
    ],
)
def test_labels_are_those_of_the_network(
    classes: tuple[str, ...], known: tuple[str, ...], want: list[int]
) -> None:
    assert labels(classes, known) == want


def test_a_network_without_names_has_the_labels_of_the_data() -> None:
    assert labels(("b", "a"), None, 2) == [0, 1]


@pytest.mark.parametrize(
    ("classes", "known", "message"),
    [
        (
            ("0", "45"),
            ANGLES,
            "class 1 is 45 in the data and 180 in the checkpoint, which has no class 45; it has 0",
        ),
        (("0", "1", "2", "3"), ANGLES, "has no class 1, 2, 3"),
        (("cat", "cow"), ("cat", "dog"), "has no class cow; it has cat, dog"),
        (("1", "2"), ("cat", "dog"), "has no class 1, 2"),  # not the numbers from 0
        (("cat", "dog"), ("0", "1"), "has no class cat, dog"),
        (("owl", "crane"), ("crane", "crane", "owl"), "two have the same name"),
        (("a", "b", "c"), ("a", "b"), "has 3 classes, but the checkpoint's network has 2"),
        (tuple("abcdefg"), tuple("tuvwxyz"), "no class a, b, c, d, e and 2 more"),
    ],
)
def test_classes_that_the_network_does_not_have_are_refused(
    classes: tuple[str, ...], known: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        labels(classes, known)


def test_lists_of_classes_are_compared_in_any_unicode_form() -> None:
    one, two = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert same_classes([one, "a"], [two, "a"]) and not same_classes([one, "a"], ["a", two])
    assert same_classes(None, None) and not same_classes(None, [])


@pytest.mark.parametrize(
    ("given", "names", "message"),
    [
        ([0, 1, 2], None, None),
        ([1, 2, 3], None, "arrays has no training images of class 0; labels start at 0: if yours"),
        ([0, 2, 4, 2], None, "arrays has no training images of class 1, 3"),
        ([0, 1], ["a", "b", "c"], "no training images of class c"),
        ([9, 8], None, "of class 0, 1, 2, 3, 4 and 3 more"),
    ],
)
def test_classes_without_images_are_named(
    given: list[int], names: list[str] | None, message: str | None
) -> None:
    images = np.zeros((len(given), 2, 2, 3), np.uint8)
    found = classes_without_images(from_arrays((images, np.array(given)), names))
    assert (found is None) if message is None else (found is not None and message in found)
