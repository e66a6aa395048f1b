"""Networks in the shape of well-known ones, with random parameters, for timing: their files are made once, in .cache/bench.

Parameters are drawn so that activations keep their scale through the depth, as trained ones do: with vanishing or
exploding activations neither times nor differences would mean anything.
"""

import contextlib
import io
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"


def conv(cin, cout, kernel=1, stride=1, groups=1, activation=None):
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def classifier(width, classes=1000):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Bottleneck(nn.Module):
    def __init__(self, cin, width, stride):
        super().__init__()
        cout = 4 * width
        self.body = nn.Sequential(
            conv(cin, width, activation=nn.ReLU), conv(width, width, 3, stride, activation=nn.ReLU), conv(width, cout)
        )
        self.shortcut = conv(cin, cout, 1, stride) if stride > 1 or cin != cout else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet50():
    layers, cin = [conv(3, 64, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)], 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            layers.append(Bottleneck(cin, width, stride if i == 0 else 1))
            cin = 4 * width
    return nn.Sequential(*layers, classifier(cin))


class SqueezeExcitation(nn.Module):
    def __init__(self, width, squeezed):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(width, squeezed, 1), nn.Conv2d(squeezed, width, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))


class InvertedResidual(nn.Module):
    def __init__(self, cin, cout, kernel, stride, expansion, activation, excitation):
        super().__init__()
        width = cin * expansion
        self.body = nn.Sequential(
            *([conv(cin, width, activation=activation)] if expansion > 1 else []),
            conv(width, width, kernel, stride, width, activation),
            *([SqueezeExcitation(width, max(1, cin // 4))] if excitation else []),
            conv(width, cout),
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobile(stem, stages, head, activation, excitation):
    layers, cin = [conv(3, stem, 3, 2, activation=activation)], stem
    for expansion, cout, blocks, stride, kernel in stages:
        for i in range(blocks):
            step = stride if i == 0 else 1
            layers.append(InvertedResidual(cin, cout, kernel, step, expansion, activation, excitation))
            cin = cout
    return nn.Sequential(*layers, conv(cin, head, activation=activation), classifier(head))


def mobilenet_v2():
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    return mobile(32, [(*stage, 3) for stage in stages], 1280, nn.ReLU6, excitation=False)


def efficientnet_b0():
    stages = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3))
    stages += ((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))
    return mobile(32, stages, 1280, nn.SiLU, excitation=True)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.layer_scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.layer_scale * self.down(F.gelu(self.up(y))).permute(0, 3, 1, 2)


def convnext_t():
    layers, cin = [nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, eps=1e-6)], 96
    for width, blocks in ((96, 3), (192, 3), (384, 9), (768, 3)):
        if width != cin:
            layers += [ChannelNorm(cin, eps=1e-6), nn.Conv2d(cin, width, 2, 2)]
        layers += [ConvNeXtBlock(width) for _ in range(blocks)]
        cin = width
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), ChannelNorm(cin, eps=1e-6), nn.Flatten(), nn.Linear(cin, 1000))
    return nn.Sequential(*layers, head)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.project(mixed.transpose(1, 2).reshape(n, tokens, width))


class Encoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, eps=1e-6), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, width=384, heads=6, depth=12, patch=16, size=224):
        super().__init__()
        tokens = (size // patch) ** 2 + 1
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.Sequential(*(Encoder(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 1000)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


NETS = {
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": efficientnet_b0,
    "convnext_t": convnext_t,
    "vit_s16": ViT,
}


def build(name):
    """The network with its parameters, always the same ones."""
    net = NETS[name]()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                fan_in = module.weight[0].numel()
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * (1.7 / fan_in) ** 0.5)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
        for parameter in net.parameters():
            if parameter.dim() != 2 and parameter.dim() != 4:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return net.eval()


def export(name):
    """The path of the network's ONNX file."""
    path = CACHE / f"{name}.onnx"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        batch = {0: torch.export.Dim("batch", min=1, max=256)}
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                build(name), (torch.randn(2, 3, 224, 224),), path.with_suffix(".part"), input_names=["input"],
                output_names=["output"], dynamic_shapes=(batch,) if name != "vit_s16" else {"x": batch}, opset_version=20,
                dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
        path.with_suffix(".part").rename(path)
    return path


if __name__ == "__main__":
    for name in NETS:
        print(export(name))
