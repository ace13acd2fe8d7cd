"""How a model is opened: its layer calls, what each of them is, and the gradients at each."""
