"""LAPACK has one thread where a measurement factorises matrices, and its own number elsewhere."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vgtheory import LSTM, Conv, Dense
from vgtheory.measure.arguments import asked


def _threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@asked()
def _seen(net: Dense | Conv) -> set[int]:
    return _threads()


@asked()
def _seen_in_cell(cell: LSTM) -> set[int]:
    return _threads()


@asked(lapack=True)
def _seen_by_request(net: Dense) -> set[int]:
    return _threads()


@asked()
def _failing(net: Dense) -> None:
    raise RuntimeError("fails within")


def test_one_thread_where_matrices_are_factorised() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = _threads()
        assert before == {2}, "these tests need a BLAS whose threads can be set"
        assert _seen(Dense("tanh", weights="orthogonal")) == {1}
        assert _seen(Conv("relu", 1.4, weights="delta_orthogonal")) == {1}
        assert _seen_in_cell(LSTM(weights="orthogonal")) == {1}
        assert _seen_by_request(Dense("tanh")) == {1}
        assert _threads() == before


def test_other_measurements_keep_theirs() -> None:
    with threadpool_limits(2, user_api="blas"):
        assert _seen(Dense("tanh")) == {2}
        assert _seen_in_cell(LSTM()) == {2}


def test_an_error_gives_the_threads_back() -> None:
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(RuntimeError, match="fails within"):
            _failing(Dense("tanh", weights="orthogonal"))
        assert _threads() == {2}
