"""How feed-forward networks are trained: optimisers at rate 1, which ``training_logs`` multiplies; one object each, so that programs are shared."""

import optax

BETA = 0.9
"""Of momentum, and of Adam's first moment."""
OPTIMISERS = {
    "sgd": optax.sgd(1.0),
    "momentum": optax.sgd(1.0, momentum=BETA),
    "rmsprop": optax.rmsprop(1.0),
    "adam": optax.adam(1.0, b1=BETA),
    "sign": optax.sign_sgd(1.0),
}
LABELS = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam", "sign": "sign"}
