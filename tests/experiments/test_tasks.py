"""Tasks: targets recomputed from the inputs alone, chance as stated, and a criterion that nobody meets without looking."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.parts import tasks
from experiments.parts.digits import INPUTS, digits
from experiments.parts.tasks import TASKS
from experiments.sequence_digits import LENGTHS
from tests.tolerances import SAMPLED

NUM = 1000


def draw(name: str, key: jax.Array, length: int = 12) -> tuple[np.ndarray, np.ndarray]:
    batch = TASKS[name].draw(key, length, NUM)
    return np.asarray(batch.inputs), np.asarray(batch.targets)


def test_the_latch_asks_for_the_first_sign(key: jax.Array) -> None:
    inputs, targets = draw("latch", key)
    assert inputs.shape == (12, NUM, 1)
    np.testing.assert_array_equal(targets[0], inputs[0, :, 0] > 0)
    assert np.abs(inputs[0]).min() == 1


def test_adding_asks_for_the_sum_of_one_marked_number_in_either_half(key: jax.Array) -> None:
    inputs, targets = draw("adding", key)
    values, marks = inputs[..., 0], inputs[..., 1]
    assert (marks[:6].sum(axis=0) == 1).all()
    assert (marks[6:].sum(axis=0) == 1).all()
    assert (marks.sum(axis=1) > 0).all()
    np.testing.assert_allclose(targets[0], np.einsum("tb,tb->b", values, marks), rtol=1e-6)


def test_copy_shows_asks_and_wants_the_symbols_in_order(key: jax.Array) -> None:
    inputs, targets = draw("copy", key)
    assert inputs.shape == (12 + tasks.COPIED, NUM, tasks.KINDS + 1)
    for step in range(tasks.COPIED):
        np.testing.assert_array_equal(targets[step], inputs[step, :, :-1].argmax(axis=-1))
    assert (inputs[tasks.COPIED :, :, :-1] == 0).all()
    assert (inputs[:, :, -1].argmax(axis=0) == 11).all()
    assert inputs[:, :, -1].sum() == NUM


@pytest.mark.parametrize("length", [2, *(pytest.param(length, marks=pytest.mark.slow) for length in (9, 10, 50)), 12])
def test_temporal_order_shows_two_letters_where_it_should(key: jax.Array, length: int) -> None:
    inputs, targets = draw("order", key, length)
    symbols = inputs.argmax(axis=-1)
    steps, sequences = np.nonzero((symbols >= tasks.KINDS).T)[::-1]
    first, second = steps.reshape(NUM, 2).T
    assert (np.diff(sequences.reshape(NUM, 2)) == 0).all()
    assert (first < second).all()
    assert (first <= length // 5).all()
    assert (second >= length // 2).all()
    letters = symbols[steps, sequences].reshape(NUM, 2) - tasks.KINDS
    np.testing.assert_array_equal(targets[0], 2 * letters[:, 0] + letters[:, 1])


@pytest.mark.parametrize("name", TASKS)
def test_an_ignorant_answer_scores_chance_and_fails(name: str, key: jax.Array) -> None:
    task = TASKS[name]
    _, targets = draw(name, key, LENGTHS.get(name, 12))
    outputs = jnp.full((*targets.shape, task.num_outputs), 1.0).at[..., 0].add(1e-3 * (task.num_outputs > 1))
    score = float(task.score(outputs, targets))
    spread = 1 if task.is_value else np.sqrt(task.chance * (1 - task.chance))
    assert abs(score - task.chance) < SAMPLED * spread / np.sqrt(targets.size)
    assert not task.is_met(score)
    assert not task.is_met(task.score(jnp.full_like(outputs, jnp.nan), targets))


@pytest.mark.parametrize("name", TASKS)
def test_a_random_answer_fails_and_the_right_one_succeeds(name: str, key: jax.Array) -> None:
    task = TASKS[name]
    _, targets = draw(name, key, LENGTHS.get(name, 12))
    outputs = np.random.default_rng(0).normal(size=(*targets.shape, task.num_outputs)).astype(np.float32)
    assert not task.is_met(task.score(jnp.asarray(outputs), targets))
    right = targets[..., None] if task.is_value else jax.nn.one_hot(targets, task.num_outputs)
    assert task.is_met(task.score(jnp.asarray(right), targets))


@pytest.mark.parametrize("name", LENGTHS)
def test_digits_come_whole_and_unseen_ones_are_others(name: str, key: jax.Array) -> None:
    length, data = LENGTHS[name], digits()
    for draw_some, images, classes in (
        (TASKS[name].draw, data.inputs, data.targets),
        (TASKS[name].unseen, *data.unseen),
    ):
        batch = draw_some(key, length, 5)
        whole = np.asarray(batch.inputs).swapaxes(0, 1).reshape(5, INPUTS)
        places = [int(np.flatnonzero((images == one).all(axis=1))[0]) for one in whole]
        np.testing.assert_array_equal(batch.targets[0], classes[places])
    seen = {one.tobytes() for one in data.inputs}
    assert not any(one.tobytes() in seen for one in data.unseen[0])


def test_pieces_are_of_one_size(key: jax.Array) -> None:
    with pytest.raises(ValueError, match=r"pieces: expected a divisor of 64, got length=12\."):
        TASKS["rows"].draw(key, 12, 2)


def test_knowing_one_of_the_two_numbers_is_not_enough(key: jax.Array) -> None:
    inputs, targets = draw("adding", key)
    half = np.einsum("tb,tb->b", inputs[:6, :, 0], inputs[:6, :, 1]) + 0.5
    score = TASKS["adding"].score(jnp.asarray(half)[None, :, None], targets)
    assert abs(float(score) - 1 / 12) < SAMPLED / np.sqrt(NUM)
    assert not TASKS["adding"].is_met(score)


@pytest.mark.parametrize("name", ["latch", "adding", "order"])
def test_the_stated_drive_is_the_mean_square_of_an_input(name: str, key: jax.Array) -> None:
    inputs, _ = draw(name, key, 40)
    squares = inputs[1:] ** 2
    assert abs(squares.mean() - TASKS[name].drive(40)) < SAMPLED * squares.std() / np.sqrt(squares.size) + 1e-2
