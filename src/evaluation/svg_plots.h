#pragma once

// Plots as SVG inside an HTML page: they follow the page's colours and scale with it.

#include <string>
#include <vector>

namespace vitrail {

struct IntervalPlotRow {
  std::string label;
  double mean = 0, low = 0, high = 0;  ///< a row without a mean is drawn without a mark
  bool quiet = false;                  ///< drawn less strongly
};

/// One row a mean with its interval, on one axis.
std::string interval_plot(const std::vector<IntervalPlotRow>& rows);

struct CurvePlotLine {
  std::string label;
  std::vector<double> x, y;
  size_t colour = 0;   ///< equal numbers, equal colours
  bool quiet = false;  ///< dashed
};

/// Lines over one axis, with a legend.
std::string curve_plot(const std::vector<CurvePlotLine>& lines, const std::string& x_label);

/// Round numbers that cover low .. high, about `count` of them.
std::vector<double> axis_ticks(double low, double high, int count = 5);

}  // namespace vitrail
