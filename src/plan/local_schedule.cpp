#include "plan/local_schedule.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace vitrail {
namespace {

/// Parts beyond this share of the plane cost more than they save (measured).
constexpr double kMostOfPlane = 0.7;

Ints sizes_of_one(const Graph::Impl& graph, int value) {
  Ints sizes;
  for (const Dim& dim : graph.values[static_cast<size_t>(value)].traced.shape) sizes.push_back(dim.at(1));
  return sizes;
}

/// Windows of one size around what is touched, inside of the plane.
void settle(LocalValue& value, std::vector<Box> touched) {
  value.touched = std::move(touched);
  value.rows = value.columns = 1;
  for (const Box& box : value.touched) {
    value.rows = std::max(value.rows, box[0].size());
    value.columns = std::max(value.columns, box[1].size());
  }
  value.rows = std::min(value.rows, value.height);
  value.columns = std::min(value.columns, value.width);
  for (const Box& box : value.touched) {
    value.top.push_back(std::clamp<int64_t>(box[0].begin, 0, value.height - value.rows));
    value.left.push_back(std::clamp<int64_t>(box[1].begin, 0, value.width - value.columns));
  }
}

/// How rows and columns of an output follow those of one input.
struct PlaneReach {
  AxisReach rows, columns;
  bool channels_first = true;  ///< of the output
  bool by_parts = false;
};

class Scheduler {
 public:
  Scheduler(const Plan::Impl& plan, LocalSchedule& schedule)
      : plan_(plan), graph_(plan.graph.impl()), schedule_(schedule) {}

  void add_step(size_t number) {
    const Plan::Impl::Bound& bound = plan_.bound[number];
    LocalStep local;
    if (!make_part(bound, local)) {
      local = {};
      for (const int slot : bound.inputs)
        if (is_part(slot)) schedule_.needs_base[static_cast<size_t>(slot)] = 1;
    }
    schedule_.steps.push_back(std::move(local));
  }

 private:
  bool is_computed(int slot) const {
    return slot != Plan::Impl::kAbsent && !plan_.constants[static_cast<size_t>(slot)].defined();
  }
  bool is_part(int slot) const { return is_computed(slot) && schedule_.values[static_cast<size_t>(slot)].is_part; }
  Ints sizes(int slot) const { return sizes_of_one(graph_, plan_.values[static_cast<size_t>(slot)]); }

  /// What operators are told of their inputs.
  Tensors inputs_of(const Plan::Impl::Bound& bound) const {
    Tensors in;
    for (const int slot : bound.inputs) {
      if (slot == Plan::Impl::kAbsent)
        in.emplace_back();
      else if (!is_computed(slot))
        in.push_back(plan_.constants[static_cast<size_t>(slot)]);
      else
        in.push_back(
            at::empty({1}, graph_.values[static_cast<size_t>(plan_.values[static_cast<size_t>(slot)])].traced.type)
                .expand(sizes(slot)));
    }
    return in;
  }

  /// Nothing where rows and columns of the output do not follow those of the input, or samples mix.
  static std::optional<PlaneReach> plane_reach(const Locality& locality, const PlaneLayout& input) {
    const int64_t row = input.channels_first ? 2 : 1;
    if (locality.axes.size() != 4 || locality.axes[0].axis != 0 || !locality.axes[0].is_same()) return std::nullopt;
    for (const size_t first : {2, 1}) {  // channels first, or last
      const AxisReach &rows = locality.axes[first], &columns = locality.axes[first + 1],
                      &channels = locality.axes[first == 2 ? 1 : 3];
      if (rows.axis != row || columns.axis != row + 1) continue;
      const bool same = rows.is_same() && columns.is_same();
      if (locality.by_parts && same) return PlaneReach{rows, columns, first == 2, true};
      const bool is_window = rows.divisor == 1 && columns.divisor == 1;
      if (is_window && (channels.axis == AxisReach::kNone || channels.is_same()))
        return PlaneReach{rows, columns, first == 2, false};
    }
    return std::nullopt;
  }

  /// A constant that differs between positions would have to be cut as well.
  bool varies_over_plane(const Locality& locality, const Tensor& constant, bool channels_first) const {
    for (const size_t axis : {channels_first ? 2 : 1, channels_first ? 3 : 2})
      if (const AxisReach& reach = locality.axes[axis]; reach.axis != AxisReach::kNone && constant.size(reach.axis) > 1)
        return true;
    return false;
  }

  bool make_part(const Plan::Impl::Bound& bound, LocalStep& local) {
    const auto output = std::find_if(bound.outputs.begin(), bound.outputs.end(), [](int slot) { return slot >= 0; });
    if (output == bound.outputs.end()) return false;
    const Tensors in = inputs_of(bound);
    std::vector<std::optional<PlaneReach>> reaches(in.size());
    const PlaneReach* first = nullptr;
    bool by_parts = true;
    for (size_t i = 0; i < in.size(); ++i) {
      if (!is_computed(bound.inputs[i])) continue;
      if (!is_part(bound.inputs[i])) return false;
      const LocalValue& value = schedule_.values[static_cast<size_t>(bound.inputs[i])];
      for (size_t o = 0; o < bound.outputs.size(); ++o) {
        if (bound.outputs[o] == Plan::Impl::kAbsent) continue;
        const auto reach = plane_reach(bound.step->locality(i, o, in, sizes(bound.outputs[o])), value.layout);
        if (!reach || (reaches[i] && (!reaches[i]->by_parts || !reach->by_parts))) return false;
        reaches[i] = reach;
      }
      if (first && first->channels_first != reaches[i]->channels_first) return false;
      if (!first) first = &*reaches[i];
      by_parts = by_parts && reaches[i]->by_parts;
    }
    const auto number = static_cast<size_t>(output - bound.outputs.begin());
    if (!first || !find_step(bound, number, by_parts, first->channels_first, in, local)) return false;

    LocalValue part;
    const Ints plane = sizes(*output);
    part.is_part = true;
    part.layout.channels_first = first->channels_first;
    part.height = plane[first->channels_first ? 2 : 1];
    part.width = plane[first->channels_first ? 3 : 2];
    settle(part, touched(bound, reaches, part));
    if (static_cast<double>(part.rows * part.columns) > kMostOfPlane * static_cast<double>(part.height * part.width))
      return false;
    for (size_t i = 0; i < in.size(); ++i)
      local.windows.push_back(reaches[i] ? window(bound.inputs[i], *reaches[i], part) : LocalWindow{});
    for (const int slot : bound.outputs)
      if (slot != Plan::Impl::kAbsent) schedule_.values[static_cast<size_t>(slot)] = part;
    return true;
  }

  bool find_step(const Plan::Impl::Bound& bound, size_t output, bool by_parts, bool channels_first, const Tensors& in,
                 LocalStep& local) const {
    if (by_parts) {
      local.step = bound.step.get();
      for (size_t i = 0; i < in.size(); ++i)
        if (in[i].defined() && !is_computed(bound.inputs[i]) &&
            varies_over_plane(bound.step->locality(i, output, in, sizes(bound.outputs[output])), in[i], channels_first))
          return false;
      return true;
    }
    local.owned = bound.step->without_padding(local.fill);
    local.step = local.owned.get();
    return local.step && (local.fill == 0 || in[0].scalar_type() == at::kFloat);
  }

  /// Of each rectangle of the class the rows and columns of the output that any input's part touches.
  std::vector<Box> touched(const Plan::Impl::Bound& bound, const std::vector<std::optional<PlaneReach>>& reaches,
                           const LocalValue& output) const {
    std::vector<Box> boxes;
    for (size_t i = 0; i < reaches.size(); ++i) {
      if (!reaches[i]) continue;
      const LocalValue& value = schedule_.values[static_cast<size_t>(bound.inputs[i])];
      boxes.resize(value.touched.size());
      for (size_t r = 0; r < boxes.size(); ++r) {
        const Box box = {reaches[i]->rows.touched(value.touched[r][0], output.height),
                         reaches[i]->columns.touched(value.touched[r][1], output.width)};
        boxes[r].resize(2);
        for (size_t axis = 0; axis < 2; ++axis) {
          Interval& all = boxes[r][axis];
          if (box[axis].size() > 0)
            all = all.size() > 0 ? Interval{std::min(all.begin, box[axis].begin), std::max(all.end, box[axis].end)}
                                 : box[axis];
        }
      }
    }
    return boxes;
  }

  /// What the part of an output reads of an input.
  LocalWindow window(int slot, const PlaneReach& reach, const LocalValue& part) {
    const LocalValue& value = schedule_.values[static_cast<size_t>(slot)];
    LocalWindow result;
    result.rows = reach.rows.read({0, part.rows}).size();
    result.columns = reach.columns.read({0, part.columns}).size();
    for (size_t r = 0; r < part.top.size(); ++r) {
      result.top.push_back(reach.rows.read({part.top[r], part.top[r] + 1}).begin);
      result.left.push_back(reach.columns.read({part.left[r], part.left[r] + 1}).begin);
    }
    const bool is_value = result.rows == value.rows && result.columns == value.columns && result.top == value.top &&
                          result.left == value.left;
    if (!is_value) schedule_.needs_base[static_cast<size_t>(slot)] = 1;
    return result;
  }

  const Plan::Impl& plan_;
  const Graph::Impl& graph_;
  LocalSchedule& schedule_;
};

}  // namespace

bool can_be_local(const Plan::Impl& plan) {
  return plan.precision == at::kFloat && plan.input_type == at::kFloat && plan.input_shape.size() == 4;
}

std::vector<std::pair<int64_t, int64_t>> class_sizes(const Plan::Impl& plan, const PlaneLayout& layout,
                                                     const std::vector<ImagePatch>& rectangles) {
  constexpr int64_t kAlike = 1, kSteps = 8;  // cells of a grid differ by a pixel
  const int64_t height = plan.input_shape[layout.channels_first ? 2 : 1].fixed;
  const int64_t width = plan.input_shape[layout.channels_first ? 3 : 2].fixed;
  const auto by_height = [](const ImagePatch& a, const ImagePatch& b) { return a.height < b.height; };
  const auto by_width = [](const ImagePatch& a, const ImagePatch& b) { return a.width < b.width; };
  const auto [low, high] = std::minmax_element(rectangles.begin(), rectangles.end(), by_height);
  const auto [narrow, wide] = std::minmax_element(rectangles.begin(), rectangles.end(), by_width);
  if (high->height - low->height <= kAlike && wide->width - narrow->width <= kAlike)
    return {rectangles.size(), {high->height, wide->width}};
  std::vector<std::pair<int64_t, int64_t>> sizes;
  const auto up = [&](int64_t side, int64_t whole) {
    const int64_t step = std::max<int64_t>(1, whole / kSteps);
    return std::min(whole, (side + step - 1) / step * step);
  };
  for (const ImagePatch& r : rectangles) {
    const int64_t side = std::max(r.height, r.width);
    sizes.emplace_back(up(side, height), up(side, width));
  }
  return sizes;
}

LocalSchedule make_schedule(const Plan::Impl& plan, const PlaneLayout& input, const std::vector<ImagePatch>& rectangles,
                            int64_t height, int64_t width) {
  LocalSchedule schedule;
  schedule.height = height;
  schedule.width = width;
  schedule.values.resize(plan.constants.size());
  schedule.needs_base.assign(plan.constants.size(), 0);
  LocalValue& picture = schedule.values[static_cast<size_t>(plan.input)];
  picture.is_part = true;
  picture.layout = input;
  picture.height = plan.input_shape[input.channels_first ? 2 : 1].fixed;
  picture.width = plan.input_shape[input.channels_first ? 3 : 2].fixed;
  std::vector<Box> boxes;
  for (const ImagePatch& r : rectangles) boxes.push_back({{r.top, r.top + r.height}, {r.left, r.left + r.width}});
  settle(picture, std::move(boxes));
  schedule.needs_base[static_cast<size_t>(plan.input)] = 1;

  Scheduler scheduler(plan, schedule);
  double seconds = 0, whole = 0;
  bool gains = false;
  for (size_t s = 0; s < plan.bound.size(); ++s) {
    scheduler.add_step(s);
    const double step = plan.steps[s].seconds;
    double part = 1;
    if (schedule.steps.back().step) {
      gains = true;
      for (const int slot : plan.bound[s].outputs)
        if (slot != Plan::Impl::kAbsent) {
          const LocalValue& value = schedule.values[static_cast<size_t>(slot)];
          part = static_cast<double>(value.rows * value.columns) / static_cast<double>(value.height * value.width);
        }
    }
    seconds += step * part;
    whole += step;
  }
  schedule.share = gains && whole > 0 ? seconds / whole : 1;
  const auto output = static_cast<size_t>(plan.outputs[0]);  // there is one, see LocalRuns::make
  if (schedule.values[output].is_part) schedule.needs_base[output] = 1;
  return schedule;
}

}  // namespace vitrail
