"""Small random nets whose modules the peers can hook: every activation a module of its own, used once."""

import torch
from torch import nn

SIZE = 24


def randomised(net, seed=1, bias=0.2):
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (1.6 / fan) ** 0.5
            if module.bias is not None:
                module.bias.data = torch.randn(module.bias.shape, generator=generator) * bias
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.weight, 0.7), (module.running_var, 0.6)):
                tensor.data = low + 0.7 * torch.rand(tensor.shape, generator=generator)
            for tensor in (module.bias, module.running_mean):
                tensor.data = 0.3 * torch.randn(tensor.shape, generator=generator)
    return net.eval()


def plain(activation=nn.ReLU, pool=nn.MaxPool2d, bias=True):
    """Convolutions and activations, one pooling, global average, linear: `features` is the last spatial value."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=bias),
        activation(),
        nn.Conv2d(8, 10, 3, padding=1, bias=bias),
        activation(),
        pool(2),
        nn.Conv2d(10, 12, 3, padding=1, bias=bias),
        activation(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5, bias=bias),
    )


class Normalised(nn.Module):
    """With batch normalisation, a residual branch and a hidden linear layer."""

    def __init__(self, activation=nn.ReLU):
        super().__init__()
        self.conv1, self.norm1, self.act1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), activation()
        self.conv2, self.norm2, self.act2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), activation()
        self.conv3, self.norm3, self.act3 = nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), activation()
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(3), nn.Flatten()
        self.hidden, self.act4, self.head = nn.Linear(108, 16), activation(), nn.Linear(16, 5)

    def forward(self, x):
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.act2(self.norm2(self.conv2(x)) + x)
        x = self.act3(self.norm3(self.conv3(x)))
        return self.head(self.act4(self.hidden(self.flatten(self.pool(x)))))


NETS = {
    "plain": lambda: randomised(plain()),
    "relu6": lambda: randomised(plain(nn.ReLU6)),
    "normalised": lambda: randomised(Normalised()),
    "smooth": lambda: randomised(plain(nn.Softplus, nn.AvgPool2d)),
    "average": lambda: randomised(plain(pool=nn.AvgPool2d)),
    "no_bias": lambda: randomised(plain(pool=nn.AvgPool2d, bias=False)),
}
# The module whose value a CAM reads: the last one with positions.
LAST = {"plain": "6", "relu6": "6", "average": "6", "normalised": "act3", "smooth": "6", "no_bias": "6"}
