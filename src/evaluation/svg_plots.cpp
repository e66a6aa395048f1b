#include "evaluation/svg_plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/display.h"
#include "report/html_text.h"

namespace vitrail {

namespace {

constexpr double kWidth = 760, kLabels = 170, kRow = 24, kHeight = 300, kMargin = 40;

/// Colours that people with the common colour blindnesses tell apart, on light and dark pages (Okabe and Ito).
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#56b4e9", "#e69f00", "#8c6d1f", "#7f7f7f"};

std::string number(double value) {
  const double rounded = std::round(value * 10) / 10;
  std::string text = std::to_string(rounded);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string line(double x0, double y0, double x1, double y1, const std::string& classes) {
  return "<line class=\"" + classes + "\" x1=\"" + number(x0) + "\" y1=\"" + number(y0) + "\" x2=\"" + number(x1) +
         "\" y2=\"" + number(y1) + "\"/>";
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& content) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         escape_html(content) + "</text>";
}

std::string svg(double height, const std::string& content) {
  return "<svg class=\"plot\" viewBox=\"0 0 " + number(kWidth) + " " + number(height) + "\" role=\"img\">" + content +
         "</svg>";
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  /// A constant needs room on both sides.
  void widen() {
    if (low < high) return;
    const double room = low == 0 ? 1 : 0.1 * std::abs(low);
    low -= room;
    high += room;
  }
};

struct Axis {
  Range range;
  double first, last;  ///< in the picture
  double at(double value) const { return first + (value - range.low) / (range.high - range.low) * (last - first); }
};

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 5.0})
    if (nice * power >= rough) {
      step = nice * power;
      break;
    }
  std::vector<double> ticks;
  const auto first = std::llround(std::ceil(low / step - 1e-9)), last = std::llround(std::floor(high / step + 1e-9));
  for (auto k = first; k <= last; ++k) ticks.push_back(static_cast<double>(k) * step);
  return ticks;
}

std::string interval_plot(const std::vector<IntervalPlotRow>& rows) {
  Range range;
  for (const IntervalPlotRow& row : rows) {
    range.add(row.mean);
    range.add(row.low);
    range.add(row.high);
  }
  if (range.empty()) return "";
  range.widen();
  const double bottom = kRow * static_cast<double>(rows.size()) + 8;
  const Axis axis{range, kLabels, kWidth - 20};
  std::string content;
  for (const double tick : axis_ticks(range.low, range.high)) {
    content += line(axis.at(tick), 0, axis.at(tick), bottom, "grid-line");
    content += text_at(axis.at(tick), bottom + 16, "middle", show_number(tick));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const IntervalPlotRow& row = rows[i];
    const double y = kRow * (static_cast<double>(i) + 0.5) + 4;
    content += text_at(kLabels - 10, y + 4, "end", row.label);
    const std::string kind = row.quiet ? "quiet" : "strong";
    if (std::isfinite(row.low) && std::isfinite(row.high))
      content += line(axis.at(row.low), y, axis.at(row.high), y, "interval " + kind);
    if (std::isfinite(row.mean))
      content +=
          "<circle class=\"" + kind + "\" cx=\"" + number(axis.at(row.mean)) + "\" cy=\"" + number(y) + "\" r=\"4\"/>";
  }
  return svg(bottom + 24, content);
}

std::string curve_plot(const std::vector<CurvePlotLine>& lines, const std::string& x_label) {
  Range x, y;
  for (const CurvePlotLine& curve : lines) {
    for (const double value : curve.x) x.add(value);
    for (const double value : curve.y) y.add(value);
  }
  if (x.empty() || y.empty()) return "";
  x.widen();
  y.widen();
  const Axis across{x, kMargin + 20, kWidth - 190}, up{y, kHeight, 10};
  std::string content;
  for (const double tick : axis_ticks(x.low, x.high))
    content += text_at(across.at(tick), kHeight + 18, "middle", show_number(tick));
  for (const double tick : axis_ticks(y.low, y.high)) {
    content += line(across.first, up.at(tick), across.last, up.at(tick), "grid-line");
    content += text_at(across.first - 6, up.at(tick) + 4, "end", show_number(tick));
  }
  content += text_at((across.first + across.last) / 2, kHeight + 36, "middle", x_label);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string style = std::string("stroke=\"") + kColours[lines[i].colour % kColours.size()] + "\"" +
                              (lines[i].quiet ? " stroke-dasharray=\"5 4\"" : "");
    std::string points;
    for (size_t k = 0; k < lines[i].x.size(); ++k)
      if (std::isfinite(lines[i].y[k]))
        points += number(across.at(lines[i].x[k])) + "," + number(up.at(lines[i].y[k])) + " ";
    content += "<polyline class=\"curve\" " + style + " points=\"" + points + "\"/>";
    const double legend = 20 + 19 * static_cast<double>(i);
    content += "<line class=\"curve\" " + style + " x1=\"" + number(across.last + 16) + "\" y1=\"" + number(legend) +
               "\" x2=\"" + number(across.last + 40) + "\" y2=\"" + number(legend) + "\"/>";
    content += text_at(across.last + 46, legend + 4, "start", lines[i].label);
  }
  return svg(kHeight + 44, content);
}

}  // namespace vitrail
