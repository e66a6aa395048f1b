"""A program: the relevance of a network's input by Zennit, which is run and not linked.

zennit_relevance.py NET COMPOSITE INPUT.npy TARGET OUTPUT.npy

A composite is one of Zennit's by its name; ExcitationBackprop is without biases, which is the paper's,
ExcitationBackpropWithBiases as Zennit has it.
"""

import sys

import numpy as np
import torch
import zennit.attribution
import zennit.canonizers
import zennit.composites
from peer_nets import NETS


def main(net, composite, input_file, target, output_file):
    network = NETS[net]()
    x = torch.from_numpy(np.load(input_file))
    scores = network(x)
    canonizers = [zennit.canonizers.SequentialMergeBatchNorm()]
    keywords = {"zero_params": ["bias"]} if composite == "ExcitationBackprop" else {}
    rules = getattr(zennit.composites, composite.removesuffix("WithBiases"))(canonizers=canonizers, **keywords)
    weights = torch.zeros_like(scores)
    weights[0, int(target)] = scores[0, int(target)].detach()
    with zennit.attribution.Gradient(model=network, composite=rules) as attributor:
        relevance = attributor(x, weights)[1]
    np.save(output_file, relevance.detach().numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
