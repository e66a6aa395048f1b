#include "doctor/agreement.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace vitrail {
namespace {

constexpr double kTies = 0.01;  ///< share of places where rounding may have decided

bool is_probability(const std::string& op) { return op == "Sigmoid" || op == "Softmax"; }

/// max |a - b| / max |b|; infinity where shapes differ or one is no number.
double relative_error(const Tensor& a, const Tensor& b, double least_size) {
  if (a.sizes() != b.sizes()) return INFINITY;
  if (a.numel() == 0) return 0;
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const Tensor difference = (x - y).abs().masked_fill(x.eq(y), 0);  // infinities too may be equal
  const double largest = difference.max().item<double>();
  if (largest == 0) return 0;
  const Tensor finite = y.abs().masked_fill(y.isfinite().logical_not(), 0);
  return std::isfinite(largest) ? largest / std::max(finite.max().item<double>(), least_size) : INFINITY;
}

/// Share of the places that differ; 1 where shapes do.
double differing(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return 1;
  return a.numel() == 0 ? 0 : a.to(at::kDouble).ne(b.to(at::kDouble)).to(at::kDouble).mean().item<double>();
}

/// True for a comparison of floating numbers where `ours` and `theirs` differ only at places whose two sides are equal
/// but for rounding.
bool differs_in_ties_only(const Graph& graph, const Feeds& feeds, const NodeInfo& node, const Tensor& ours,
                          const Tensor& theirs) {
  const std::set<std::string> comparisons = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"};
  if (comparisons.count(node.op) == 0 || ours.sizes() != theirs.sizes()) return false;
  const Tensors sides = graph.run(feeds, node.inputs);
  if (!sides[0].is_floating_point()) return false;
  const double size = std::max(sides[0].abs().max().item<double>(), sides[1].abs().max().item<double>());
  const Tensor clear = (sides[0] - sides[1]).abs() > Agreement::kTolerance * size;
  return !clear.logical_and(ours.ne(theirs)).any().item<bool>();
}

}  // namespace

Agreement judge(const Graph& graph, const std::string& input, const Tensor& sample, const OnnxRuntimeAnswer& answer) {
  Agreement agreement;
  agreement.reference = answer.version;
  std::set<std::string> outputs, undecided;
  for (const ValueInfo& output : graph.outputs()) outputs.insert(output.name);
  for (const NodeInfo& node : graph.nodes())
    for (const std::string& value : node.outputs) {
      if (value.empty()) continue;
      if (std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto& in) { return undecided.count(in) > 0; }))
        undecided.insert(value);
      const auto found = answer.values.find(value);
      if (found == answer.values.end()) continue;
      const Tensor ours = graph.run({{input, sample}}, {value})[0], theirs = found->second;
      double error = 0;
      if (theirs.is_floating_point()) {
        error = relative_error(ours, theirs, is_probability(node.op) ? 0.01 : 1e-30);
      } else if (const double share = differing(ours, theirs); share > 0) {
        if (share <= kTies || differs_in_ties_only(graph, {{input, sample}}, node, ours, theirs))
          undecided.insert(value);
        else
          error = INFINITY;
      }
      if (undecided.count(value)) {
        ++agreement.undecided;
        continue;
      }
      ++agreement.values;
      if (outputs.count(value)) agreement.max_relative_error = std::max(agreement.max_relative_error, error);
      if (!(error <= Agreement::kTolerance) && agreement.first_diverging_value.empty()) {
        agreement.first_diverging_value = value;
        agreement.first_diverging_node = node.op + " node '" + node.name + "'";
      }
    }
  return agreement;
}

}  // namespace vitrail
