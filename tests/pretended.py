"""A GPU for machines without one: tensors that lie on the CPU, say that they are on `cuda`, and refuse to be mixed.

What is computed is what the CPU computes. What shows is where code forgets to send a tensor, which else only a GPU
would say. Not pretended: bf16, streams, memory.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)
# They take tensors of both kinds: a GPU is sent to, copied to, and indexed with what lies on the CPU.
BETWEEN = {"to", "copy_", "cpu", "__getitem__", "__setitem__", "__set__"}
ON_THE_CPU = {"numpy", "__array__"}


class OnGPU(torch.Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl

    def __deepcopy__(self, memo):
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        memo[id(self)] = torch.nn.Parameter(copied, self.requires_grad) if hasattr(self, "_is_param") else copied
        return memo[id(self)]


class PretendedGPU(TorchFunctionMode):
    """float64: has it numbers of 64 bits? MPS has none, and refuses them."""

    def __init__(self, float64=True):
        super().__init__()
        self.float64 = float64

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        asked = args[:1] if name == "__deepcopy__" else (args, kwargs)  # its memo may hold tensors of both kinds
        leaves = [one for one in tree_leaves(asked) if isinstance(one, torch.Tensor)]
        there = [isinstance(one, OnGPU) for one in leaves]
        if func == torch.Tensor.device.__get__:
            return GPU if there[0] else torch.device("cpu")
        if func == torch.Tensor.is_cuda.__get__:
            return there[0]
        if name in ON_THE_CPU and any(there):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name == "_has_compatible_shallow_copy_type":  # so that a module takes new parameters
            return False
        mixed = any(there) and any(not gpu and one.ndim for one, gpu in zip(leaves, there, strict=True))
        if mixed and not (name in BETWEEN and (there[0] or name == "copy_")):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found cuda:0 and cpu")
        args, kwargs, gpu = _redirected(name, args, dict(kwargs), any(there))
        if name == "pin_memory":
            return args[0]
        kind = OnGPU if gpu else torch.Tensor

        def at(one):  # a leaf stays what it is
            return one if isinstance(one, OnGPU) == gpu else one.as_subclass(kind)

        found = tree_map_only(torch.Tensor, at, func(*args, **kwargs))
        if not self.float64 and any(isinstance(one, OnGPU) and _double(one) for one in tree_leaves(found)):
            raise TypeError(f"{name}: Cannot convert a MPS Tensor to float64 dtype as MPS does not support float64")
        return found


def _double(tensor):
    with torch._C.DisableTorchFunction():
        return tensor.dtype == torch.float64


def _redirected(name, args, kwargs, gpu):
    """Arguments without a pretended device, and where what comes out lies."""
    asked = kwargs.get("device")
    if name in ("to", "cuda", "cpu"):
        asked = next((one for one in [asked, *args[1:]] if isinstance(one, (str, torch.device))), None)
        asked = {"cpu": "cpu", "cuda": GPU}.get(name, asked)
        if isinstance(other := (args[1:] or (None,))[0], torch.Tensor):
            asked = GPU if isinstance(other, OnGPU) else torch.device("cpu")
    if asked is None or name == "device":
        return args, kwargs, gpu
    cpu = torch.device("cpu")
    args = tuple(cpu if isinstance(one, (str, torch.device)) else one for one in args)
    return args, kwargs | ({"device": cpu} if "device" in kwargs else {}), torch.device(asked).type == "cuda"


@contextlib.contextmanager
def gpu(monkeypatch, float64=True):
    """A machine with one GPU, inside the block. float64: see PretendedGPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "pretended")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda *_: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: None, raising=False)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with PretendedGPU(float64):
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
