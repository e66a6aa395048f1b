"""LRP against Zennit, run as a program, and Captum."""

import os
import subprocess
import sys
from pathlib import Path

import captum.attr
import numpy as np
import pytest
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from conftest import Side, assert_agree
from peer_nets import NETS, SIZE

pytestmark = pytest.mark.filterwarnings("ignore")
HERE = Path(__file__).parent


def zennit(side, net, composite):
    np.save(side.folder / "x.npy", side.x.numpy())
    program = [sys.executable, HERE / "zennit_relevance.py", net, composite, side.folder / "x.npy", str(side.target)]
    environment = {**os.environ, "PYTHONPATH": f"{HERE / 'standin'}:{HERE}"}
    output = side.folder / f"{composite}.npy"
    done = subprocess.run([*program, output], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return np.load(output)[0].sum(0)


COMPOSITES = {
    "epsilon_plus_flat": "EpsilonPlusFlat",
    "epsilon_plus": "EpsilonPlus",
    "epsilon_alpha2_beta1": "EpsilonAlpha2Beta1",
    "epsilon_alpha2_beta1_flat": "EpsilonAlpha2Beta1Flat",
    "excitation_backprop": "ExcitationBackprop",
}


@pytest.mark.parametrize("net", ["average", "no_bias", "plain"])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_composites(tmp_path, require, composite, net):
    require("lrp")
    side = Side(tmp_path, NETS[net](), SIZE)
    ours = side.explain(f"lrp:composite={composite}")[0]["map"]
    assert_agree(ours, zennit(side, net, COMPOSITES[composite]))


@pytest.mark.parametrize("net", ["average", "plain"])
def test_excitation_backprop_has_no_biases(tmp_path, require, net):
    """vitrail is the paper: a unit divides all that it has among the units below, by probabilities, so that the map adds up to
    the score. The peer's composite lets positive biases take a share; told not to, it agrees in length too."""
    require("lrp")
    side = Side(tmp_path, NETS[net](), SIZE)
    ours, score = side.explain("lrp:composite=excitation_backprop")[0]["map"], float(side.scores[side.target])
    assert ours.sum() == pytest.approx(score, rel=1e-3)
    assert_agree(ours, zennit(side, net, "ExcitationBackprop"), 1)
    with_biases = zennit(side, net, "ExcitationBackpropWithBiases")
    assert abs(with_biases.sum()) < 0.8 * abs(score)


class WithoutFlatten(torch.nn.Module):
    """The same layers; Captum has no rule for the module Flatten, nor lets one be set."""

    def __init__(self, layers):
        super().__init__()
        self.features, self.head = layers[:-2], layers[-1]

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


@pytest.mark.parametrize("net", ["average", "no_bias", "plain"])
def test_epsilon(tmp_path, require, net):
    """LRP-epsilon everywhere, against Captum with the same epsilon on every layer."""
    require("lrp")
    side = Side(tmp_path, NETS[net](), SIZE)
    for module in side.network.modules():
        if hasattr(module, "weight"):
            module.rule = EpsilonRule(epsilon=1e-6)
    theirs = captum.attr.LRP(WithoutFlatten(side.network)).attribute(side.leaf(), target=side.target).detach()
    ours = side.explain("lrp:composite=epsilon,epsilon=1e-6")[0]["map"]
    assert_agree(ours, theirs[0].sum(0), 1)


def test_without_biases_the_map_adds_up_to_the_score(tmp_path, require):
    require("lrp")
    side = Side(tmp_path, NETS["no_bias"](), SIZE)
    ours = side.explain("lrp:composite=epsilon,epsilon=1e-9")[0]
    assert ours["map"].sum() == pytest.approx(float(side.scores[side.target]), rel=1e-3)
    assert abs(ours["completeness_gap"]) <= 1e-3 * abs(float(side.scores[side.target]))
