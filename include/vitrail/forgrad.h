#pragma once

// ForGrad: the low frequencies of a gradient map.
//
//   forgrad(map) = |F^-1( F(|map|) where the frequency's radius is at most sigma, else 0 )|
//
// Strided convolutions and pooling write a grid of high frequencies into gradients that says nothing of the photo;
// without it white-box maps are as faithful as black-box ones. A frequency (u, v) is u waves down the map and v across,
// its radius sqrt(u^2 + v^2): 15 at 224 pixels keeps details of about 15 pixels and larger. In a method string it is
// the option `forgrad=SIGMA` of every gradient method, applied to the map that the method's own reduction of channels
// left; the paper's mean over channels is reducer=mean.
//
// Paper   Muzellec, Fel, Boutin, Andeol, VanRullen, Serre: Saliency strikes back: How filtering out high frequencies
// improves
//         white-box explanations, ICML 2024.

#include <vitrail/tensor.h>

namespace vitrail {

/// Of a map [H,W]; unsigned. Non-finite values count as 0 and stay where they are.
Tensor forgrad(const Tensor& map, double sigma);

}  // namespace vitrail
