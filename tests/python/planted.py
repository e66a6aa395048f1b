"""Photos in which the truth is planted: an object pasted with an exact mask on a background, and a class that follows one
rule. Networks trained on them must look at the object, since nothing else tells the class."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

SIZE = 32
RULES = ("colour", "shape", "position")


@dataclass
class Planted:
    """`pixels` uint8 [N,H,W,3], `labels` [N], `masks` bool [N,H,W]."""

    pixels: np.ndarray
    labels: np.ndarray
    masks: np.ndarray

    @property
    def inputs(self) -> torch.Tensor:
        return torch.from_numpy(self.pixels).permute(0, 3, 1, 2).float() / 255


def disc(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def square(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return (abs(rows - row) <= radius * 0.88) & (abs(columns - column) <= radius * 0.88)


def background(random: np.random.Generator) -> np.ndarray:
    """Smooth blotches and a little noise, the same for all classes."""
    coarse = random.uniform(50, 160, (5, 5, 3))
    places = np.linspace(0, 4, SIZE)
    low = np.minimum(places.astype(int), 3)
    share = (places - low)[:, None, None]
    rows = coarse[low] * (1 - share) + coarse[low + 1] * share
    share = (places - low)[None, :, None]
    smooth = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return smooth + random.normal(0, 8, (SIZE, SIZE, 3))


def plant(rule: str, count: int, seed: int) -> Planted:
    """`colour`: red, green or blue; `shape`: disc or square; `position`: left or right half."""
    random = np.random.default_rng(seed)
    colours = np.array([(230, 40, 40), (40, 210, 40), (50, 60, 235)])
    pixels, labels, masks = [], [], []
    for _ in range(count):
        radius = random.uniform(4.5, 6)
        row, column = random.uniform(radius, SIZE - radius, 2)
        colour, round_, right = random.integers(3), random.integers(2), column > SIZE / 2
        mask = (disc if round_ else square)(row, column, radius)
        image = background(random)
        image[mask] = colours[colour] + random.normal(0, 8, (mask.sum(), 3))
        pixels.append(np.clip(image, 0, 255).astype(np.uint8))
        labels.append({"colour": colour, "shape": round_, "position": int(right)}[rule])
        masks.append(mask)
    return Planted(np.stack(pixels), np.array(labels), np.stack(masks))


class Net(nn.Module):
    def __init__(self, classes: int, keeps_places: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool2d(4 if keeps_places else 1)
        self.head = nn.Linear(32 * (16 if keeps_places else 1), classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


def train(rule: str, seed: int = 0) -> tuple[Net, float]:
    """A network that knows the rule, and its accuracy on photos that it has not seen."""
    torch.manual_seed(seed)
    data, test = plant(rule, 3000, seed), plant(rule, 300, seed + 1)
    net = Net(3 if rule == "colour" else 2, keeps_places=rule == "position")
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    inputs, labels = data.inputs, torch.from_numpy(data.labels)
    epochs = 12 if rule == "shape" else 4
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(test.inputs).argmax(1) == torch.from_numpy(test.labels)).float().mean()
    return net, float(accuracy)
