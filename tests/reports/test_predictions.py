"""Files of probabilities, their averages, and errors by class, compared with NumPy."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import ArraySource
from alexnet_native.errors import DataError
from alexnet_native.net.metrics import batch_sums, top_k_accuracy
from alexnet_native.reports.per_class import PerClass
from alexnet_native.reports.predictions import Predictions, average, in_one_order, item_names

CLASSES = ("ant", "bee", "cat, or dog")


def predictions(seed: int = 0, images: int = 7) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(
        probabilities=rng.dirichlet(np.ones(3), images).astype(np.float32),
        labels=(np.arange(images) % 3).astype(np.int32),
        items=tuple(f"{index}.jpg" for index in range(images)),
        classes=CLASSES,
        net="alexnet",
        recipe="paper",
        data="photos",
        views=10,
    )


@pytest.mark.parametrize("classes", [10, 1000])
def test_the_accuracy_of_a_constant_predictor_is_exactly_k_over_classes(classes: int) -> None:
    constant = np.full((60, classes), 1 / classes, np.float32)
    labels = np.random.default_rng(0).integers(0, classes, 60, dtype=np.int32)
    sums = batch_sums(constant, labels)
    assert sums.top1_error == pytest.approx(1 - 1 / classes, abs=1e-15)
    assert sums.top5_error == pytest.approx(1 - 5 / classes, abs=1e-15)
    mean = average([replace(predictions(), probabilities=constant[:7, :3])] * 3, names="abc")
    assert (top_k_accuracy(mean, np.zeros(7, np.int32), 1) == 1 / 3).all()


def test_top_k_accuracy_of_ties_matches_values_computed_by_hand() -> None:
    p = np.array([[0.4, 0.4, 0.1, 0.1], [0.1, 0.5, 0.2, 0.2], [0.2, 0.2, 0.2, 0.4]])
    labels = np.array([0, 3, 1], np.int32)
    assert top_k_accuracy(p, labels, 1).tolist() == [0.5, 0.0, 0.0]
    assert top_k_accuracy(p, labels, 2).tolist() == [1.0, 0.5, pytest.approx(1 / 3)]
    assert top_k_accuracy(p, labels, 5).tolist() == [1.0, 1.0, 1.0]


def test_predictions_can_be_written_and_read_back(tmp_path: Path) -> None:
    written = predictions()
    written.save(tmp_path / "any name")
    read = Predictions.load(tmp_path / "any name")
    for field in ("probabilities", "labels"):
        one, two = getattr(read, field), getattr(written, field)
        assert one.dtype == two.dtype and np.array_equal(one, two)
    rest = {"probabilities": written.probabilities, "labels": written.labels}
    assert replace(read, **rest) == written
    written.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "any name").read_bytes()


def test_the_weighted_average_equals_that_of_numpy() -> None:
    parts = [predictions(seed) for seed in range(3)]
    stack = np.array([part.probabilities for part in parts], np.float64)
    np.testing.assert_allclose(average(parts, names="abc"), stack.mean(axis=0), rtol=1e-15)
    want = (2 * stack[0] + stack[1] + 5 * stack[2]) / 8
    np.testing.assert_allclose(average(parts, [2, 1, 5], names="abc"), want, rtol=1e-15)
    assert np.array_equal(average(parts[:1], names="a"), stack[0])


FIRST = predictions()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (predictions(images=8), "there are 8 images, not 7"),
        (replace(FIRST, classes=("ant", "bee", "dog")), "class 2 is dog, not cat, or dog"),
        (replace(FIRST, items=(*FIRST.items[:3], "x.jpg", *FIRST.items[4:])),
         r"image 3 is x\.jpg, not 3\.jpg"),
        (replace(FIRST, items=FIRST.items[::-1], labels=FIRST.labels[::-1]), "image 0 is 6"),
        (replace(FIRST, labels=np.array([0, 1, 2, 0, 2, 2, 0], np.int32)),
         "image 4 has label 2, not 1"),
    ],
)  # fmt: skip
def test_averaging_over_different_lists_raises_an_error(other: Predictions, message: str) -> None:
    with pytest.raises(DataError, match=f"b and a are for different lists of images: .*{message}"):
        average([FIRST, other], names="ab")


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1, 2, 3]])
def test_a_wrong_number_of_weights_or_a_wrong_weight_raises_an_error(
    weights: list[float],
) -> None:
    with pytest.raises(DataError, match="there must be 2 weights above 0"):
        average([FIRST, predictions(1)], weights, names="ab")


def test_the_error_for_a_file_without_probabilities_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        Predictions.load(tmp_path / "nothing.npz")
    (tmp_path / "text").write_text("x")
    with pytest.raises(DataError, match="text cannot be read as probabilities"):
        Predictions.load(tmp_path / "text")
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(DataError, match=r"other\.npz is not a file of probabilities; write"):
        Predictions.load(tmp_path / "other.npz")
    FIRST.save(tmp_path / "a.npz")
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.npz cannot be read"):
        Predictions.load(tmp_path / "a.npz")
    with np.load(tmp_path / "other.npz") as file:
        assert list(file) == ["images"]


def test_a_changed_list_of_images_does_not_match_the_checksum(tmp_path: Path) -> None:
    FIRST.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    arrays["labels"] = arrays["labels"][::-1]
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(DataError, match=r"b\.npz is damaged: the list of images does not"):
        Predictions.load(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["/a/val/cat/1.jpg", "/a/val/cow/1.jpg"], ("cat/1.jpg", "cow/1.jpg")),
        (["/a/b.npz, x_val, image 0", "/a/b.npz, x_val, image 1"],
         ("b.npz, x_val, image 0", "b.npz, x_val, image 1")),
        (["validation arrays, image 0", "validation arrays, image 1"],
         ("validation arrays, image 0", "validation arrays, image 1")),
        (["cat/1.jpg", "cow/1.jpg"], ("cat/1.jpg", "cow/1.jpg")),
    ],
)  # fmt: skip
def test_names_of_images_do_not_contain_the_common_folder(
    names: list[str], short: tuple[str, ...]
) -> None:
    source = ArraySource(np.zeros((2, 1, 1, 1), np.uint8), np.zeros(2, np.int32),
                         item_name=names.__getitem__)  # fmt: skip
    assert item_names(source) == short


def test_errors_by_class_and_the_confusion_matrix_match_values_computed_by_hand() -> None:
    p = np.array(
        [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]]
    )
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    both = PerClass(CLASSES)
    both.add(p[:2], labels[:2])
    both.add(p[2:], labels[2:])
    matrix = list(csv.reader(both.matrix().splitlines()))
    assert matrix == [
        ["class", *CLASSES],
        ["ant", "1.5", "1.5", "0"],  # ant and bee tie for the third image
        ["bee", "0", "1", "1"],
        ["cat, or dog", "0", "0", "0"],
    ]
    table = list(csv.DictReader(both.table().splitlines()))
    assert [row["images"] for row in table] == ["3", "2", "0"]
    assert [row["top1_error"] for row in table] == ["0.5", "0.5", ""]
    assert [row["top5_error"] for row in table] == ["0", "0", ""]
    assert [(row["most_taken_for"], row["share"]) for row in table] == [
        ("bee", "0.5"), ("cat, or dog", "0.5"), ("", ""),
    ]  # fmt: skip
    sums = batch_sums(p, labels)
    assert np.trace(both.confusion) == pytest.approx(sums.top1)
    assert both.confusion.sum(axis=1).tolist() == [3, 2, 0]


def test_class_names_that_are_not_valid_utf8_are_kept_and_escaped_in_csv(
    tmp_path: Path,
) -> None:
    odd = ("caf\udce9", "bee", "two\nlines")  # caf\xe9 in Latin-1, as Python reads a folder's name
    replace(FIRST, classes=odd).save(tmp_path / "a.npz")
    assert Predictions.load(tmp_path / "a.npz").classes == odd
    per_class = PerClass(odd)
    per_class.add(np.eye(3), np.arange(3, dtype=np.int32))
    rows = list(csv.reader(io.StringIO(per_class.matrix(), newline="")))
    assert rows[0] == ["class", "caf\\udce9", "bee", "two\nlines"]


def test_classes_in_another_order_are_matched_by_name() -> None:
    one = predictions()
    # The same network with its outputs in the order cat, ant, bee.
    order = [2, 0, 1]
    moved = replace(
        one,
        classes=tuple(CLASSES[index] for index in order),
        probabilities=one.probabilities[:, order],
        labels=np.array([order.index(label) for label in one.labels], np.int32),
    )
    with pytest.raises(DataError, match="class 0 is cat, or dog, not ant"):
        average([one, moved], names=["a", "b"])
    same, back = in_one_order([one, moved])
    assert same is not moved and back.classes == CLASSES and back.checksum == one.checksum
    np.testing.assert_array_equal(back.probabilities, one.probabilities)
    np.testing.assert_array_equal(back.labels, one.labels)
    assert back.labels.dtype == np.int32
    np.testing.assert_allclose(average([same, back], names="ab"), one.probabilities, rtol=1e-6)


def test_other_classes_and_repeated_names_are_not_reordered() -> None:
    one = predictions()
    for classes in (("ant", "bee", "cow"), ("bee", "bee", "ant")):
        other = replace(one, classes=classes)
        assert in_one_order([one, other])[1] is other
        with pytest.raises(DataError, match="different lists of images"):
            average(in_one_order([one, other]), names="ab")
