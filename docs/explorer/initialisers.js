// Code that draws weights of variance sigma_w^2 / fan_in and biases of standard deviation sigma_b, by framework.

const short = (x) => String(Number(x.toPrecision(8)));

export const FRAMEWORKS = { flax: "Flax", equinox: "Equinox", pytorch: "PyTorch", keras: "Keras" };

/** One of `flax`, `equinox`, `pytorch` and `keras`: a layer, or a function that draws one. */
export function initialiser(framework, { sigmaW, sigmaB, weights }) {
  return { flax, equinox, pytorch, keras }[framework](short(sigmaW), short(sigmaB), weights);
}

const DISTRIBUTIONS = { gaussian: "normal", uniform: "uniform", truncated_normal: "truncated_normal" };

const SPARSE_JAX = `def sparse(key, shape, dtype=jnp.float32):  # one weight in ten is not 0
    chosen, drawn = jax.random.split(key)
    mask = jax.random.bernoulli(chosen, 0.1, shape)
    return mask * jax.random.normal(drawn, shape, dtype) * sigma_w / (0.1 * shape[0]) ** 0.5

`;

function jaxKernel(weights) {
  if (weights === "orthogonal") return "initializers.orthogonal(sigma_w)";
  if (weights === "sparse") return "sparse";
  return `initializers.variance_scaling(sigma_w**2, "fan_in", "${DISTRIBUTIONS[weights]}")`;
}

function flax(sigmaW, sigmaB, weights) {
  const isSparse = weights === "sparse";
  return `${isSparse ? "import jax\nimport jax.numpy as jnp\n" : ""}from flax import nnx
from jax.nn import initializers

sigma_w, sigma_b = ${sigmaW}, ${sigmaB}

${isSparse ? SPARSE_JAX : ""}kernel_init = ${jaxKernel(weights)}
bias_init = initializers.normal(sigma_b)

def layer(width, rngs):
    draws = {"kernel_init": kernel_init, "bias_init": bias_init}
    return nnx.Linear(width, width, **draws, rngs=rngs)
`;
}

function equinox(sigmaW, sigmaB, weights) {
  const isSparse = weights === "sparse";
  return `import equinox as eqx
import jax
${isSparse ? "import jax.numpy as jnp\n" : ""}from jax.nn import initializers

sigma_w, sigma_b = ${sigmaW}, ${sigmaB}

${isSparse ? SPARSE_JAX : ""}kernel_init = ${jaxKernel(weights)}

def layer(width, key):
    made, w, b = jax.random.split(key, 3)
    weight = kernel_init(w, (width, width)).T  # Equinox keeps (out, in)
    bias = sigma_b * jax.random.normal(b, (width,))
    linear = eqx.nn.Linear(width, width, key=made)
    where = lambda each: (each.weight, each.bias)
    return eqx.tree_at(where, linear, (weight, bias))
`;
}

const TORCH = {
  gaussian: "nn.init.normal_(module.weight, std=std)",
  uniform: "nn.init.uniform_(module.weight, -(3**0.5) * std, 3**0.5 * std)",
  truncated_normal: `wide = std / 0.8796256610342398  # cut at two of these, its deviation is std
        nn.init.trunc_normal_(module.weight, std=wide, a=-2 * wide, b=2 * wide)`,
  sparse: `nn.init.normal_(module.weight, std=std / 0.1**0.5)
        module.weight.mul_(torch.rand_like(module.weight) < 0.1)`,
  orthogonal: "nn.init.orthogonal_(module.weight, gain=sigma_w)",
};

function pytorch(sigmaW, sigmaB, weights) {
  const std = weights === "orthogonal" ? "" : "        std = sigma_w / module.in_features**0.5\n";
  return `import torch
from torch import nn

sigma_w, sigma_b = ${sigmaW}, ${sigmaB}

@torch.no_grad()
def initialise(module):
    if isinstance(module, nn.Linear):
${std}        ${TORCH[weights]}
        nn.init.normal_(module.bias, std=sigma_b)

# model.apply(initialise)
`;
}

const KERAS = {
  gaussian: 'initializers.VarianceScaling(sigma_w**2, "fan_in", "untruncated_normal")',
  uniform: 'initializers.VarianceScaling(sigma_w**2, "fan_in", "uniform")',
  truncated_normal: 'initializers.VarianceScaling(sigma_w**2, "fan_in", "truncated_normal")',
  sparse: "sparse",
  orthogonal: "initializers.Orthogonal(gain=sigma_w)",
};

const SPARSE_KERAS = `def sparse(shape, dtype=None):  # one weight in ten is not 0
    chosen = keras.ops.cast(keras.random.uniform(shape) < 0.1, dtype or "float32")
    std = sigma_w / (0.1 * shape[0]) ** 0.5
    return chosen * keras.random.normal(shape, stddev=std, dtype=dtype)

`;

function keras(sigmaW, sigmaB, weights) {
  return `import keras
from keras import initializers

sigma_w, sigma_b = ${sigmaW}, ${sigmaB}

${weights === "sparse" ? SPARSE_KERAS : ""}def layer(width):
    return keras.layers.Dense(
        width,
        kernel_initializer=${KERAS[weights]},
        bias_initializer=initializers.RandomNormal(stddev=sigma_b),
    )
`;
}
