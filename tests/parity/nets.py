"""Small nets of every family that people export, with random parameters (never zeros)."""

import torch
from torch import nn
from torch.nn import functional as F


def randomise(net: nn.Module, seed: int) -> nn.Module:
    """Every parameter and running statistic random, so that no term can vanish unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            scale = 1 / max(1.0, parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.3)
            if name.endswith("running_var"):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return net.eval()


def conv_bn(cin, cout, kernel=3, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)
    )


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, 7, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.conv1, self.conv2, self.shortcut = conv_bn(8, 16, stride=2), conv_bn(16, 16), conv_bn(8, 16, 1, 2)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.stem(x)))
        x = F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class InvertedResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, stride=2)
        self.expand, self.depthwise, self.project = conv_bn(8, 24, 1), conv_bn(24, 24, groups=24), conv_bn(24, 8, 1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = F.relu6(self.stem(x))
        x = x + self.project(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        return self.head(x.mean((2, 3)))


class SqueezeExcitation(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 12, stride=2)
        self.reduce, self.expand = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.hard = conv_bn(12, 12)
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = F.silu(self.stem(x))
        x = x * torch.sigmoid(self.expand(F.silu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))
        x = F.hardswish(self.hard(x))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 4, 4)
        self.depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1))
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.down(F.gelu(self.up(self.norm(y)))).permute(0, 3, 1, 2)
        x = x + self.layer_scale * y
        return self.head(x.mean((-2, -1)))


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, bias=None, mask=None):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        if bias is not None:
            attention = attention + bias
        if mask is not None:
            windows = mask.shape[0]
            attention = attention.view(b // windows, windows, self.heads, n, n) + mask[None, :, None]
            attention = attention.view(-1, self.heads, n, n)
        return self.proj((attention.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(dim), Attention(dim, 3), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 48), nn.GELU(), nn.Linear(48, dim))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, dim=24, depth=2):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.zeros(1, 17, dim))
        self.blocks = nn.Sequential(*(Block(dim) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class MultiheadAttentionViT(nn.Module):
    """With the framework's own attention layer, which lays tokens out before the batch."""

    def __init__(self, dim=24):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8)
        self.layer = nn.TransformerEncoderLayer(dim, 3, 48, dropout=0.0, activation="gelu", batch_first=True)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        return self.head(self.layer(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


class SwinBlock(nn.Module):
    def __init__(self, dim, side, window, shift, heads=2):
        super().__init__()
        self.side, self.window, self.shift, self.heads = side, window, shift, heads
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        position = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        relative = (position[:, :, None] - position[:, None, :]).permute(1, 2, 0) + window - 1
        self.register_buffer("index", relative[..., 0] * (2 * window - 1) + relative[..., 1])
        if shift:
            region = torch.zeros(1, side, side, 1)
            count = 0
            slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
            for rows in slices:
                for columns in slices:
                    region[:, rows, columns] = count
                    count += 1
            windows = self.partition(region).squeeze(-1)
            difference = windows[:, None, :] - windows[:, :, None]
            self.register_buffer("mask", (difference != 0).float() * -100.0)
        else:
            self.mask = None

    def partition(self, x):
        b, h, w, c = x.shape
        m = self.window
        return x.view(b, h // m, m, w // m, m, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, m * m, c)

    def forward(self, x):
        b, h, w, c = x.shape
        m = self.window
        y = self.norm1(x)
        if self.shift:
            y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
        bias = self.table[self.index.view(-1)].view(m * m, m * m, -1).permute(2, 0, 1)[None]
        y = self.attn(self.partition(y), bias, self.mask)
        y = y.view(b, h // m, w // m, m, m, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


class Swin(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.blocks = nn.Sequential(SwinBlock(dim, 8, 4, 0), SwinBlock(dim, 8, 4, 2))
        self.merge_norm, self.merge = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm, self.head = nn.LayerNorm(2 * dim), nn.Linear(2 * dim, 10)

    def forward(self, x):
        x = self.blocks(self.patch(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        x = self.norm(self.merge(self.merge_norm(x)))
        return self.head(x.mean((1, 2)))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = conv_bn(3, 8), conv_bn(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.norm = nn.GroupNorm(4, 16)
        self.fuse, self.out = conv_bn(16, 8), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        a = F.leaky_relu(self.down1(x), 0.1)
        b = torch.tanh(self.down2(F.max_pool2d(a, 2)))
        up = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)[:, :8] + self.up(b)
        return self.out(F.relu(self.fuse(self.norm(torch.cat([a, up], 1)))))


NETS = {
    "residual": Residual,
    "inverted_residual": InvertedResidual,
    "squeeze_excitation": SqueezeExcitation,
    "convnext": ConvNeXtBlock,
    "vit": ViT,
    "multihead_attention": MultiheadAttentionViT,
    "swin": Swin,
    "unet": UNet,
}


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    return randomise(NETS[name](), seed=7)
