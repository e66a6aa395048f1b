#include "report/html_report.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <cmath>

namespace vitrail {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string base64_of(const std::string& text) { return base64(std::as_bytes(std::span(text))); }

TEST(Html, EscapesWhatHasAMeaning) {
  EXPECT_EQ(escape_html("<b a=\"1\" c='2'>&amp;"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
  EXPECT_EQ(escape_html("h\xC3\xA9ron"), "h\xC3\xA9ron");
}

TEST(Html, Base64IsThatOfRfc4648) {
  EXPECT_EQ(base64_of(""), "");
  EXPECT_EQ(base64_of("f"), "Zg==");
  EXPECT_EQ(base64_of("fo"), "Zm8=");
  EXPECT_EQ(base64_of("foo"), "Zm9v");
  EXPECT_EQ(base64_of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64_of("\xFF\xFE\xFD"), "//79");
}

ImageResult hostile_result() {
  ImageResult result;
  result.image.pixels = at::zeros({4, 6, 3}, at::kByte);
  result.image.path = "photos/<script>alert(1)</script>.png";
  result.prediction = {{3, "<i>cat</i>", std::nan(""), std::nan("")}, {1, "", 2, 0.25}};
  Explanation e;
  e.name = "sobol";
  e.method = "sobol:grid=2";
  e.target.index = 3;
  e.target.label = "\"><img src=x>";
  e.map = at::zeros({4, 4});
  e.standard_error = at::zeros({4, 4}).fill_(0.5);
  e.unit = "share of variance";
  e.plan["layer"] = "<layer>";
  e.partial = true;
  e.warnings = {"a <warning>"};
  result.explanations = {e};
  return result;
}

TEST(Html, NothingThatAFileSaysBecomesMarkup) {
  const std::string html = html_section(hostile_result(), {at::zeros({8, 8, 3}, at::kByte)});
  for (const char* markup : {"<script", "<i>", "<img src=x", "<layer>", "<warning>"})
    EXPECT_THAT(html, Not(HasSubstr(markup)));
  EXPECT_THAT(html, HasSubstr("a &lt;warning&gt;"));
  EXPECT_THAT(html_failure("<a>", "<b>"), AllOf(HasSubstr("&lt;a&gt;"), HasSubstr("&lt;b&gt;")));
}

TEST(Html, SaysWhatIsKnownOfAnExplanation) {
  const std::string html = html_section(hostile_result(), {at::zeros({8, 8, 3}, at::kByte)});
  for (const char* fact :
       {"0.5 on average", "share of variance", "partial", "sobol:grid=2", "25.0 %", "data:image/png"})
    EXPECT_THAT(html, HasSubstr(fact));
  EXPECT_THAT(html, Not(HasSubstr("completeness gap"))) << "where there is none, no row";
}

TEST(Html, LargePicturesAreScaledDown) {
  ImageResult result = hostile_result();
  const Tensor noise = at::zeros({1500, 2000, 3}, at::kByte).random_();
  EXPECT_LT(html_section(result, {noise}).size(), 4u * 640 * 480 * 3 / 3 + 50'000u);
}

}  // namespace
}  // namespace vitrail
