"""Writes more_modules.json: reprs, state dicts and initial spreads of PyTorch's layers (run with PyTorch)."""

import json
from pathlib import Path

import torch
from torch import nn

CASES = [
    *((f"{kind}Pool{rank}d", [3], {}) for kind in ("Max", "Avg") for rank in (1, 2, 3)),
    ("AvgPool1d", [2, 1, 1], {"ceil_mode": True, "count_include_pad": False}),
    ("AvgPool2d", [[2, 3]], {"stride": [1, 2], "divisor_override": 3}),
    ("MaxPool2d", [[2, 3]], {"stride": [1, 2], "dilation": 2, "return_indices": True, "ceil_mode": True}),
    *((f"LPPool{rank}d", [2, 3], {"stride": 2}) for rank in (1, 2, 3)),
    ("LPPool2d", [1.5, [3, 2]], {"ceil_mode": True}),
    *((f"MaxUnpool{rank}d", [3], {"stride": 2}) for rank in (1, 2, 3)),
    ("MaxUnpool2d", [[2, 3]], {"padding": 1}),
    *((f"AdaptiveAvgPool{rank}d", [[None, 3, 2][:rank]], {}) for rank in (1, 2, 3)),
    ("AdaptiveMaxPool2d", [[5, None]], {"return_indices": True}),
    *((f"BatchNorm{rank}d", [6], {"momentum": None, "eps": 0.1}) for rank in (1, 2, 3)),
    ("BatchNorm2d", [6], {"bias": False}),
    ("SyncBatchNorm", [6], {}),
    ("SyncBatchNorm", [6], {"momentum": 0.3, "track_running_stats": False}),
    ("InstanceNorm2d", [4], {"affine": True, "track_running_stats": True, "momentum": 0.5}),
    ("GroupNorm", [2, 4], {"affine": False, "eps": 0.01}),
    ("GroupNorm", [2, 4], {"bias": False}),
    ("LayerNorm", [[3, 4]], {"eps": 1e-6, "bias": False}),
    ("LayerNorm", [5], {"elementwise_affine": False}),
    ("RMSNorm", [[3, 4]], {}),
    ("RMSNorm", [5, 1e-6], {"elementwise_affine": False}),
    ("LocalResponseNorm", [5], {}),
    ("LocalResponseNorm", [2], {"alpha": 1e-3, "beta": 0.5, "k": 2.0}),
    ("CELU", [], {}),
    ("CELU", [0.5, True], {}),
    ("ELU", [0.5, True], {}),
    ("GELU", ["tanh"], {}),
    ("GLU", [], {}),
    ("GLU", [1], {}),
    ("SELU", [], {}),
    ("SELU", [True], {}),
    ("Hardshrink", [], {}),
    ("Hardshrink", [0.25], {}),
    ("Softshrink", [], {}),
    ("Hardsigmoid", [True], {}),
    ("Hardswish", [True], {}),
    ("Hardtanh", [], {}),
    ("Hardtanh", [-2, 3, True], {}),
    ("LeakyReLU", [], {}),
    ("LeakyReLU", [0.2, True], {}),
    ("LogSigmoid", [], {}),
    ("Mish", [True], {}),
    ("RReLU", [], {}),
    ("RReLU", [0.1, 0.2, True], {}),
    ("ReLU", [True], {}),
    ("ReLU6", [True], {}),
    ("SiLU", [True], {}),
    ("Softplus", [], {}),
    ("Softplus", [2, 10], {}),
    ("Softsign", [], {}),
    ("Tanhshrink", [], {}),
    ("Threshold", [0.1, 20], {}),
    ("Threshold", [0.1, 20, True], {}),
    ("PReLU", [5, 0.1], {}),
    ("Softmax", [], {}),
    ("LogSoftmax", [1], {}),
    ("LogSoftmax", [], {}),
    ("Softmin", [-1], {}),
    ("Softmax2d", [], {}),
    ("Linear", [40, 50], {"bias": False}),
    ("Linear", [100, 200], {}),
    ("Embedding", [100, 20], {}),
    ("Embedding", [10, 3], {"padding_idx": -1}),
    *((name, [], {}) for name in ("Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")),
    ("FeatureAlphaDropout", [0.2, True], {}),
    ("Dropout", [0.1, True], {}),
    ("Upsample", [[3, 4]], {}),
    ("Upsample", [], {"scale_factor": 1.5, "mode": "bilinear", "align_corners": True}),
    ("UpsamplingNearest2d", [], {"scale_factor": 2}),
    ("UpsamplingBilinear2d", [5], {}),
    ("PixelUnshuffle", [3], {}),
    ("ChannelShuffle", [3], {}),
    ("Flatten", [0, 2], {}),
    ("Unflatten", [1, [2, -1]], {}),
    *((name, [], {"reduction": "sum"}) for name in ("L1Loss", "MSELoss", "BCELoss", "NLLLoss", "NLLLoss2d")),
    *((name, [], {}) for name in ("SmoothL1Loss", "HuberLoss", "KLDivLoss", "BCEWithLogitsLoss")),
    ("CrossEntropyLoss", [], {"ignore_index": 3, "label_smoothing": 0.1}),
    *((f"LazyConv{rank}d", [8, 3], {"padding": 1}) for rank in (1, 2, 3)),
    *((f"LazyConvTranspose{rank}d", [8, 3], {"stride": 2}) for rank in (1, 2, 3)),
    *((f"LazyBatchNorm{rank}d", [], {"momentum": 0.2}) for rank in (1, 2, 3)),
    ("LazyBatchNorm2d", [], {"affine": False}),
    *((f"LazyInstanceNorm{rank}d", [], {"affine": True}) for rank in (1, 2, 3)),
    ("LazyInstanceNorm2d", [], {}),
    ("LazyLinear", [7], {}),
    ("LazyLinear", [7], {"bias": False}),
    ("CosineSimilarity", [], {"dim": 2}),
    ("PairwiseDistance", [1.0], {"keepdim": True}),
    ("Unfold", [3], {"padding": 1}),
    ("Fold", [[4, 5], [2, 3]], {}),
]


def described(name, args, kwargs):
    module = getattr(nn, name)(*args, **kwargs)
    lazy = name.startswith("Lazy")
    state = {} if lazy else {key: list(value.shape) for key, value in module.state_dict().items()}
    parameters = {} if lazy else dict(module.named_parameters())
    return {
        "cls": name,
        "args": args,
        "kwargs": kwargs,
        "repr": repr(module),
        "state_dict": list(module.state_dict()) if lazy else state,
        "parameters": [key for key, _ in module.named_parameters()],
        "buffers": [key for key, _ in module.named_buffers()],
        "max_abs": {key: value.abs().max().item() for key, value in parameters.items()},
        "std": {key: value.std().item() for key, value in parameters.items() if value.numel() > 1},
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    lines = ",\n".join(json.dumps(described(*case)) for case in CASES)
    Path(__file__).with_suffix(".json").write_text(f"[\n{lines}\n]\n")
