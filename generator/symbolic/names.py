"""Names that go into generated source: they are checked once, when they are read."""

from __future__ import annotations

import builtins
import keyword
import re
from functools import cache

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VARIANT = re.compile(r"[A-Za-z0-9_]+")  # what may stand at the end of an identifier

# what `torch.nn.Module` (and `Sequential`) use themselves; a test holds this against torch
MODULE_NAMES = frozenset(
    """T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu
    cuda double dump_patches eval extend extra_repr float forward get_buffer get_extra_state
    get_parameter get_submodule half insert ipu load_state_dict modules mtia named_buffers
    named_children named_modules named_parameters parameters pop register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
    set_submodule share_memory state_dict to to_empty train training type xpu zero_grad""".split()
)
# what the generated source uses itself
SOURCE_NAMES = frozenset(
    """DropPath F LayerNorm2d Literal OrderedDict Tensor divisible is_parametrized math nn
    orthogonal remove_parametrizations self spectral_norm super torch weight_norm""".split()
)
# small classes that the generated file may define; a block of the same name replaces them
HELPERS = frozenset({"DropPath", "LayerNorm2d"})
# the public modules of `torch.nn`; a test holds this against torch
NN_CLASSES = frozenset(
    """AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d
    AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d BatchNorm3d Bilinear CELU
    CTCLoss ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d
    ConstantPad3d Container Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss CrossMapLRN2d DataParallel Dropout
    Dropout1d Dropout2d Dropout3d ELU Embedding EmbeddingBag FeatureAlphaDropout Flatten Fold
    FractionalMaxPool2d FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss GroupNorm
    Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity
    InstanceNorm1d InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d
    LSTM LSTMCell LayerNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d
    LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d
    LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear LeakyReLU Linear
    LinearCrossEntropyLoss LocalResponseNorm LogSigmoid LogSoftmax MSELoss MarginRankingLoss
    MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Mish Module ModuleDict
    ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention
    NLLLoss NLLLoss2d PReLU PairwiseDistance ParameterDict ParameterList PixelShuffle
    PixelUnshuffle PoissonNLLLoss RMSNorm RNN RNNBase RNNCell RNNCellBase RReLU ReLU ReLU6
    ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
    ReplicationPad3d SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d
    Softmin Softplus Softshrink Softsign SyncBatchNorm Tanh Tanhshrink Threshold Transformer
    TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer
    TripletMarginLoss TripletMarginWithDistanceLoss Unflatten Unfold Upsample
    UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d""".split()
)
IN_USE = "is used by `nn.Module` itself"
SKIPPED = "_"  # in a list of names for outputs: one without a name
_SOFT = frozenset({"_", "match", "case", "type"})


def is_identifier(name: str) -> bool:
    """Whether a name is an ASCII Python identifier and no keyword."""
    return bool(IDENTIFIER.fullmatch(name)) and not keyword.iskeyword(name) and len(name) <= 100


def why_no_attribute(name: str) -> str | None:
    """Why a name can't be an attribute of a module, or ``None``."""
    if not is_identifier(name):
        return "is no Python identifier"
    if name in MODULE_NAMES or name.startswith("__"):
        return IN_USE
    if name == "_":
        return "has a meaning of its own in the generated source"
    if name.startswith("_") and name.lstrip("_") in _PRIVATE:
        return IN_USE
    return None


_PRIVATE = frozenset(
    """apply backward_hooks backward_pre_hooks buffers call_impl compiled_call_impl forward_hooks
    forward_hooks_always_called forward_hooks_with_kwargs forward_pre_hooks
    forward_pre_hooks_with_kwargs get_backward_hooks get_backward_pre_hooks get_item_by_idx
    get_name is_full_backward_hook load_from_state_dict load_state_dict_post_hooks
    load_state_dict_pre_hooks maybe_warn_non_full_backward_hook modules named_members
    non_persistent_buffers_set parameters register_load_state_dict_pre_hook
    register_state_dict_hook replicate_for_data_parallel save_to_state_dict slow_forward
    state_dict_hooks state_dict_pre_hooks version wrapped_call_impl""".split()
)


def why_no_variable(name: str) -> str | None:
    """Why a name can't be an argument of a generated function, or ``None``."""
    if not is_identifier(name) or name in _SOFT:
        return "is no Python identifier"
    if name in SOURCE_NAMES or hasattr(builtins, name):
        return "has a meaning of its own in the generated source"
    return None


def why_no_class(name: str) -> str | None:
    """Why a name can't be the generated class, or ``None``."""
    if not is_identifier(name) or name in _SOFT or name.startswith("__"):
        return "is no Python class name"
    if name in SOURCE_NAMES or hasattr(builtins, name):
        return "has a meaning of its own in the generated source"
    return None


@cache
def snake_case(name: str) -> str:
    """The attribute's name for a type: ``PixelShuffle`` becomes ``pixel_shuffle``.

    A name that no attribute may have gets a suffix: ``Half`` becomes ``half_layer``.
    """
    word = in_small_letters(name)
    return f"{word}_layer" if why_no_attribute(word) else word


def in_small_letters(name: str) -> str:
    """A class's name with underscores between its words: ``PixelShuffle`` is ``pixel_shuffle``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
