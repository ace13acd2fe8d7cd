"""The site's own search finds an answer in the asker's own words: sixty phrases and more, each by one click on one of the first five hits."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.site
FIRST = 5
"""Hits that a reader looks at."""
PHRASES = {
    "do relu networks vanish": "claims/relu-slope",
    "sigmoid derivative 0.25": "claims/sigmoid-bound",
    "why does my deep linear network explode": "claims/deep-linear",
    "is the gradient ever balanced by chance": "claims/balance",
    "why do gradient sizes vary so much between weights": "claims/minibatch-noise",
    "are gradients noisy because of small minibatches": "claims/minibatch-noise",
    "do gradients get smaller while the network learns": "claims/magnitudes-in-training",
    "simulate a VAR(20) process": "claims/autoregression",
    "eigenvalues of the recurrent matrix larger than one": "claims/eigenvalues",
    "spectral radius less than one vanishing gradient": "claims/transients",
    "non-normal matrices and transient growth": "claims/transients",
    "a step along the top eigenvector blows up the loss": "claims/top-eigenvector",
    "0.98 to the power of n": "claims/average-weight",
    "why do RNNs suffer more than feedforward networks": "claims/shared-weights",
    "how long can sequences be for a vanilla rnn": "claims/sequence-length",
    "can simple rnns learn the adding problem": "claims/sequence-tasks",
    "sequential mnist pixel by pixel": "claims/sequence-digits",
    "does gradient clipping fix exploding gradients": "claims/clipping",
    "how do lstms prevent vanishing gradients": "claims/gates",
    "why do resnets not vanish": "claims/skips",
    "exploding gradients with residual connections": "claims/skips",
    "pre-LN or post-LN transformer": "claims/pre-norm-post-norm",
    "where to put layernorm in a transformer?": "claims/pre-norm-post-norm",
    "how much does a reservoir remember": "claims/memory",
    "echo state property spectral radius": "claims/echo-state",
    "does batchnorm solve vanishing gradients": "claims/batch-norm",
    "batch normalization makes gradients explode at initialization": "claims/batch-norm",
    "does weight decay help vanishing gradients": "claims/weight-decay",
    "l2 regularization pushes weights to zero": "claims/weight-decay",
    "which fix lets a very deep sigmoid network train": "claims/remedies",
    "is saturation the cause of vanishing gradients": "claims/saturation",
    "can a sigmoid network be critical": "claims/saturation",
    "my gradient norm is tiny, has it converged?": "claims/near-a-minimum",
    "xavier or he initialization": "claims/initialisers",
    "what does pytorch's default initialization do": "claims/initialisers",
    "uniform vs normal initialization": "claims/weight-distribution",
    "orthogonal initialization better than gaussian?": "claims/orthogonal",
    "plain convolutional network with 10000 layers": "claims/convolution",
    "does training fix vanishing gradients by itself": "claims/healing",
    "do the last layers learn first": "claims/layer-order",
    "how many steps to escape the plateau": "claims/plateau",
    "why is the training loss flat and then drops": "claims/plateau",
    "does the forward pass overflow before the backward pass": "claims/overflow",
    "float16 gradients underflow": "claims/overflow",
    "tanh is between -1 and 1 so how can it explode": "claims/bounded-forward",
    "when does a random recurrent network become chaotic": "claims/chaos",
    "why does the loss oscillate": "claims/oscillation",
    "are derivatives of continuous functions bounded": "claims/unbounded-slopes",
    "edge of chaos sigma_w sigma_b": "claims/phase-diagram",
    "how much do gradients differ between random seeds": "claims/scatter",
    "very deep and narrow relu networks": "claims/depth-over-width",
    "singular values of the jacobian": "claims/singular-values",
    "gradients of my own flax model": "claims/twins",
    "is he initialization correct for gelu": "claims/he-smooth",
    "torch.nn.init.calculate_gain tanh 5/3": "claims/tanh-gain",
    "selu self-normalizing networks": "claims/selu-keeps",
    "product of 100 random matrices": "claims/random-matrices",
    "gradients suddenly become large": "claims/cliffs",
    "is a flat minimum robust to small changes of the input": "claims/input-at-minimum",
    "eigendecomposition of the weights in a feed-forward net": "claims/layer-eigenvalues",
    "do bias gradients vanish too": "claims/biases",
    "relu saturates in only one direction": "claims/one-sided-saturation",
    "tanh derivative between -1 and 1": "claims/tanh-slope",
    "d sigma / dz less than one": "claims/sigmoid-slope",
    "with adam, does the update shrink like the gradient": "claims/update-size",
    "why is my gradient nan after a few steps": "claims/nan-step",
    "neural-tangents replacement": "coming-from/neural-tangents",
    "where does the theory break down": "limits",
    "what does chi_1 mean": "glossary",
    "how was the accuracy tested": "accuracy",
    "find out what is wrong with my model": "guides/diagnose",
    "which number format should I train in": "guides/formats",
}


class Shown(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def words(text: str) -> str:
    """A text's words in small letters, one space between two."""
    return " ".join(re.findall(r"[\w.]+", text.lower()))


def hits(page: Any, phrase: str) -> list[str]:
    """Pages that the search box leads to, in their order."""
    page.keyboard.press("Control+k")
    page.keyboard.type(phrase)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_function("document.querySelector('.search-summary')?.innerText")
    found = page.locator("ul.search > li > a").evaluate_all("links => links.map(link => link.pathname)")
    return [path.removeprefix("/").removesuffix(".html") for path in found]


def test_there_are_sixty_phrases_and_few_are_taken_from_the_pages(site: Path) -> None:
    assert len(PHRASES) >= 60
    texts = {name: words(Shown((site / f"{name}.html").read_text()).text) for name in set(PHRASES.values())}
    verbatim = [phrase for phrase, name in PHRASES.items() if words(phrase) in texts[name]]
    assert len(verbatim) < len(PHRASES) / 2, verbatim


def test_every_phrase_finds_its_page(page: Any) -> None:
    missed = {}
    for phrase, name in PHRASES.items():
        page.goto("/index.html")
        found = hits(page, phrase)[:FIRST]
        if name not in found:
            missed[phrase] = found
    assert missed == {}
    assert page.errors == []


def test_a_hit_leads_to_its_page(page: Any) -> None:
    page.goto("/claims/index.html")
    hits(page, "how do lstms prevent vanishing gradients")
    page.locator("ul.search > li > a", has_text="LSTMs and GRUs").first.click()
    assert page.locator("h1").inner_text().startswith("LSTMs and GRUs change how gradients travel through time.")


def test_words_that_stand_nowhere_find_nothing(page: Any) -> None:
    page.goto("/index.html")
    assert hits(page, "zebra marmalade") == []


def test_a_function_is_found_by_its_name(page: Any) -> None:
    page.goto("/index.html")
    assert hits(page, "depth_limit")[0].startswith("reference/")
