"""Digits enlarged to 28 x 28 pixels: their sizes, the same ones every time, and unseen ones from originals that are not trained on."""

import numpy as np
import pytest

from experiments.parts import enlarged
from experiments.parts.digits import INPUTS, NUM_UNSEEN, OUTPUTS, digits

LARGE = enlarged.SIDE**2
EDGE = (enlarged.SIDE - enlarged.SMALL) // 2
"""Pixels of margin about an original that is not enlarged."""


def padded(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.pad(image, EDGE)


def middle(images: np.ndarray) -> np.ndarray:
    """The originals in padded images, as ``digits`` has them."""
    square = images.reshape(-1, enlarged.SIDE, enlarged.SIDE)[:, EDGE:-EDGE, EDGE:-EDGE].reshape(-1, INPUTS)
    centred = square - square.mean(axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))


def test_images_have_their_sizes_and_come_again_as_they_were() -> None:
    data, again = enlarged.enlarged(), enlarged.enlarged.__wrapped__()
    num_train = enlarged.COPIES * (enlarged.NUM_DIGITS - NUM_UNSEEN)
    assert data.inputs.shape == (num_train, LARGE)
    assert data.unseen[0].shape == (enlarged.COPIES * NUM_UNSEEN, LARGE)
    assert data.targets.shape == (num_train,)
    assert set(data.targets) == set(data.unseen[1]) == set(range(OUTPUTS))
    for images in (data.inputs, data.unseen[0]):
        np.testing.assert_allclose(images.mean(axis=1), 0.0, atol=1e-5)
        np.testing.assert_allclose(np.mean(images**2, axis=1), 1.0, rtol=1e-5)
        assert len(np.unique(images, axis=0)) == len(images)
    np.testing.assert_array_equal(data.inputs, again.inputs)
    np.testing.assert_array_equal(data.unseen[0], again.unseen[0])


def test_unseen_images_come_from_no_original_that_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarged, "deformed", padded)
    data, small = enlarged.enlarged.__wrapped__(), digits()
    for (images, classes), (originals, right) in (
        ((data.inputs, data.targets), (small.inputs, small.targets)),
        (data.unseen, small.unseen),
    ):
        cosines = middle(images) @ originals.T / INPUTS
        nearest = cosines.argmax(axis=1)
        np.testing.assert_allclose(cosines.max(axis=1), 1.0, rtol=1e-5)
        np.testing.assert_array_equal(classes, right[nearest])
        assert (np.bincount(nearest, minlength=len(originals)) == enlarged.COPIES).all()


def test_a_deformed_square_keeps_its_place_and_about_its_size() -> None:
    """Of sixteen original pixels; its mass grows as the area, by the square of 20/8, give or take the scale."""
    image = np.pad(np.full((4, 4), enlarged.BRIGHTEST), 2)
    found = [enlarged.deformed(image, np.random.default_rng(seed)) for seed in range(20)]
    area = np.array([each.sum() for each in found]) / image.sum() * (enlarged.SMALL / enlarged.BOX) ** 2
    assert (np.abs(area - 1) < 2 * enlarged.SCALE + enlarged.SCALE**2 + 0.05).all()
    places = np.arange(enlarged.SIDE) - (enlarged.SIDE - 1) / 2
    off = [np.abs((each.sum(axis=axis) @ places) / each.sum()) for each in found for axis in (0, 1)]
    assert max(off) < enlarged.SHIFT * (1 + enlarged.SCALE) * (1 + enlarged.SHEAR) * np.sqrt(2)
    assert np.ptp([each.sum() for each in found]) > 0
