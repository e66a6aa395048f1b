"""Grad-CAM on tokens, registers, rectangles, shifted and padded windows and behind Einsum equals the framework's, with the layout written by hand
there and found in the graph here."""

import json
import subprocess

import numpy as np
import pytest
import torch
from conftest import BUILD
from nets import Block, SwinBlock, ViT, make, randomise
from PIL import Image
from torch import nn
from torch.nn import functional as F


class RegisterViT(nn.Module):
    """A class token and four registers beside 16 x 8 patches, in front or behind."""

    def __init__(self, behind: bool, dim=24):
        super().__init__()
        self.behind = behind
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.token, self.registers = nn.Parameter(torch.zeros(1, 1, dim)), nn.Parameter(torch.zeros(1, 4, dim))
        self.position = nn.Parameter(torch.zeros(1, 128, dim))
        self.blocks = nn.Sequential(Block(dim), Block(dim))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        batch = x.shape[0]
        token, registers = self.token.expand(batch, -1, -1), self.registers.expand(batch, -1, -1)
        x = torch.cat([token, x, registers] if self.behind else [token, registers, x], 1)
        return self.head(self.norm(self.blocks(x))[:, 0])


class PaddedBlock(SwinBlock):
    """On a grid that is no multiple of the window: padded before it is cut into windows, cut back behind."""

    def forward(self, x):
        height, width = x.shape[1:3]
        padded = F.pad(x, (0, 0, 0, -width % self.window, 0, -height % self.window))
        return super().forward(padded)[:, :height, :width]


class PaddedSwin(nn.Module):
    """7 x 5 patches in windows of 4, two by two merged to 4 x 3."""

    def __init__(self, dim=16):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.blocks = nn.Sequential(PaddedBlock(dim, 8, 4, 0), PaddedBlock(dim, 8, 4, 2))
        self.merge, self.norm, self.head = nn.Linear(4 * dim, 2 * dim), nn.LayerNorm(2 * dim), nn.Linear(2 * dim, 10)

    def forward(self, x):
        x = F.pad(self.blocks(self.patch(x).permute(0, 2, 3, 1)), (0, 0, 0, 1, 0, 1))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.head(self.norm(self.merge(x)).mean((1, 2)))


class Contraction(nn.Module):
    def __init__(self, equation, *shape):
        super().__init__()
        self.equation, self.weight = equation, nn.Parameter(torch.randn(*shape) / 4)

    def forward(self, x):
        return torch.einsum(self.equation, x, self.weight)


class EinsumViT(nn.Module):
    """Patches, projections, attention and the read-out of heads by Einsum alone."""

    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.embed = Contraction("nhwpqc,pqcd->nhwd", 4, 4, 3, dim)
        self.q, self.k, self.v = (Contraction("bne,hed->bhnd", heads, dim, dim // heads) for _ in range(3))
        self.out = Contraction("bhnd,hde->bne", heads, dim // heads, dim)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        rows, columns = x.shape[2] // 4, x.shape[3] // 4
        x = torch.einsum("nchpwq->nhwpqc", x.reshape(x.shape[0], 3, rows, 4, columns, 4))
        x = self.embed(x).flatten(1, 2)
        weights = torch.einsum("bhid,bhjd->bhij", self.q(x), self.k(x)).softmax(-1)
        x = self.norm(self.out(torch.einsum("bhij,bhjd->bhid", weights, self.v(x))))
        return self.head(x.mean(1))


def tokens(first, rows, columns):
    return lambda v: v[:, first : first + rows * columns].transpose(1, 2).reshape(v.shape[0], -1, rows, columns)


def windows(shift, rows=8, columns=8):
    """[4,16,C], windows of 4 x 4 of an 8 x 8 grid that was rolled by -shift, of which some is padding."""

    def planes(v):
        whole = v.view(2, 2, 4, 4, -1).permute(0, 2, 1, 3, 4).reshape(8, 8, -1).roll((shift, shift), (0, 1))
        return whole.permute(2, 0, 1)[None, :, :rows, :columns]

    return planes


CASES = {
    "vit": (lambda: make("vit"), (32, 32), "blocks.0", tokens(1, 4, 4), "blocks.1.norm1"),
    "registers_in_front": (
        lambda: randomise(RegisterViT(False), 3), (64, 32), "blocks.0", tokens(5, 16, 8), "blocks.1.norm1",
    ),
    "registers_behind": (
        lambda: randomise(RegisterViT(True), 3), (64, 32), "blocks.0", tokens(1, 16, 8), "blocks.1.norm1",
    ),
    "multihead_attention": (lambda: make("multihead_attention"), (32, 32), "layer", tokens(0, 4, 4), "layer.norm2"),
    "swin_windows": (lambda: make("swin"), (32, 32), "blocks.0.attn", windows(0), "norm"),
    "swin_shifted_windows": (lambda: make("swin"), (32, 32), "blocks.1.attn", windows(2), "norm"),
    "swin_channels_last": (lambda: make("swin"), (32, 32), "merge", lambda v: v.permute(0, 3, 1, 2), "norm"),
    "padded_windows": (
        lambda: randomise(PaddedSwin(), 3), (28, 20), "blocks.0.attn", windows(0, 7, 5), "norm",
    ),
    "padded_shifted_windows": (
        lambda: randomise(PaddedSwin(), 3), (28, 20), "blocks.1.attn", windows(2, 7, 5), "norm",
    ),
    "padded_merge": (
        lambda: randomise(PaddedSwin(), 3), (28, 20), "merge", lambda v: v.permute(0, 3, 1, 2), "norm",
    ),
    "einsum_embedding": (
        lambda: randomise(EinsumViT(), 3), (8, 12), "embed", lambda v: v.permute(0, 3, 1, 2), "norm",
    ),
    "einsum_attention": (lambda: randomise(EinsumViT(), 3), (8, 12), "out", tokens(0, 2, 3), "norm"),
}  # fmt: skip


def grad_cam(net, x, layer, planes):
    """By hand: the layer's value, its gradient for class 2, mean gradients as weights; in planes."""
    seen = {}

    def keep(module, inputs, output):
        output.retain_grad()
        seen["value"] = output

    handle = net.get_submodule(layer).register_forward_hook(keep)
    net(x)[0, 2].backward()
    handle.remove()
    value, gradient = planes(seen["value"].detach()), planes(seen["value"].grad)
    return (gradient.mean((2, 3), keepdim=True) * value).sum(1)[0].numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", CASES)
def test_grad_cam_finds_the_layout(name, dynamo, tmp_path):
    build, (height, width), layer, planes, proposed = CASES[name]
    net, model = build(), tmp_path / "net.onnx"
    options = {"input_names": ["x"], "output_names": ["y"], "dynamo": dynamo}
    if dynamo:
        options.update(external_data=False, verbose=False)
    torch.onnx.export(net, (torch.randn(1, 3, height, width),), str(model), **options)
    model.with_suffix(".json").write_text(json.dumps({"preprocess": {
        "colour": "RGB", "layout": "NCHW", "size": [height, width], "resize": {"rule": "none"}, "crop": "none",
        "scale": 1 / 255, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}))  # fmt: skip
    pixels = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")

    methods = f"gradcam:layer={layer},relu=false"
    command = [BUILD / "vitrail", "explain", model, tmp_path / "photo.png", "-m", methods, "-t", "2", "-o", tmp_path]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "photo" / "result.json").read_text())["explanations"][0]
    cells = np.load(tmp_path / "photo" / result["cells"])
    x = (torch.tensor(pixels).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    expected = grad_cam(net, x, layer, planes)
    assert cells.shape == expected.shape
    assert np.abs(cells - expected).max() <= 1e-4 * np.abs(expected).max()

    inspected = json.loads(subprocess.run([BUILD / "vitrail", "inspect", model, "--json"], capture_output=True).stdout)
    first = inspected["layers"][0]
    assert first["name"] == proposed
    grids = {ViT: [4, 4], RegisterViT: [16, 8], PaddedSwin: [4, 3], EinsumViT: [2, 3]}
    assert first["grid"] == grids.get(type(net), [4, 4])
