"""Between torch's tensors and a checkpoint's: numbers, shape and strides, bit for bit. Never here: what they mean."""

from typing import Any

import torch

from peerd_protocol.checkpoint import Shape, Tensor
from peerd_protocol.errors import EngineError

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def shape_of(tensor: torch.Tensor) -> Shape:
    """The tensor without its numbers."""
    name = _NAMES.get(tensor.dtype)
    if name is None:
        raise EngineError(f"A checkpoint can not carry numbers of type {tensor.dtype}.")
    return Shape(dtype=name, sizes=tuple(tensor.shape), strides=tuple(tensor.stride()))


def to_wire(tensor: torch.Tensor) -> Tensor:
    """A copy of the tensor with its memory format; views with gaps become dense first."""
    # clone() keeps the strides of any tensor without gaps or overlap, and makes others dense.
    dense = tensor.detach().to("cpu").clone()
    flat = torch.as_strided(dense, (dense.numel(),), (1,))
    return Tensor(shape=shape_of(dense), data=flat.view(torch.uint8).numpy().tobytes())


def rows_of(tensor: torch.Tensor) -> Any:
    """The bytes of its numbers, row by row, whatever their order in memory; no copy where they lie so already."""
    dense = tensor.detach().to("cpu").contiguous()
    return dense.view(-1).view(torch.uint8).numpy().data


def from_wire(tensor: Tensor) -> torch.Tensor:
    """The tensor on the CPU, over memory of its own. Its shape was checked when the checkpoint was unpacked."""
    flat = torch.frombuffer(bytearray(tensor.data), dtype=DTYPES[tensor.shape.dtype])
    return torch.as_strided(flat, tensor.shape.sizes, tensor.shape.strides)


def outputs_of(result: Any) -> tuple[list[torch.Tensor], tuple[str, ...]]:
    """The tensors that a scheduler or denoiser returned, and their names where it was not a plain tuple."""
    if isinstance(result, tuple):
        return list(result), ()
    fields = {key: value for key, value in result.items() if value is not None}
    return list(fields.values()), tuple(fields)
