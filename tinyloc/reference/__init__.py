"""The float mathematics in NumPy, forward and backward side by side.

A layer is a pair: `f(inputs) -> (y, cache)` and `f_backward(dy, cache) -> gradients in the order of the inputs`.
float32 in, float32 out; float64 in, float64 out.
"""

from tinyloc.reference.activation import ACTIVATIONS
from tinyloc.reference.attention import attention, attention_backward
from tinyloc.reference.conv import conv1d, conv1d_backward, depthwise_conv1d, depthwise_conv1d_backward
from tinyloc.reference.crf import crf_filter, crf_marginals, crf_nll, crf_nll_backward, crf_totals, crf_viterbi
from tinyloc.reference.gradcheck import check_grads
from tinyloc.reference.linear import linear, linear_backward
from tinyloc.reference.loss import (
    cross_entropy,
    cross_entropy_backward,
    distillation,
    distillation_backward,
    mse,
    mse_backward,
)
from tinyloc.reference.mamba import mamba_block, mamba_block_backward, mamba_params
from tinyloc.reference.mdcsa import mdcsa, mdcsa_backward, mdcsa_params, positional_encoding
from tinyloc.reference.norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward
from tinyloc.reference.scan import (
    decay_rates,
    selective_scan,
    selective_scan_backward,
    selective_scan_chunked,
    selective_scan_step,
)
from tinyloc.reference.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "ACTIVATIONS", "attention", "attention_backward", "check_grads", "conv1d", "conv1d_backward",
    "crf_filter", "crf_marginals", "crf_nll", "crf_nll_backward", "crf_totals", "crf_viterbi",
    "cross_entropy", "cross_entropy_backward",
    "decay_rates", "depthwise_conv1d", "depthwise_conv1d_backward", "distillation", "distillation_backward",
    "layer_norm", "layer_norm_backward", "linear", "linear_backward", "log_softmax", "log_softmax_backward",
    "mamba_block", "mamba_block_backward", "mamba_params", "mdcsa", "mdcsa_backward", "mdcsa_params", "mse",
    "mse_backward", "positional_encoding", "rms_norm", "rms_norm_backward", "selective_scan",
    "selective_scan_backward", "selective_scan_chunked", "selective_scan_step", "softmax", "softmax_backward",
]
