#include "report/html_report.h"
#include "report/html_text.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "report/atomic_file.h"
#include "report/npy.h"

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

/// In a folder of its own, with the array of standard errors that it names.
SavedResult hostile_result() {
  SavedResult result;
  result.folder = std::filesystem::temp_directory_path() / ("vitrail_html_" + std::to_string(getpid()));
  std::filesystem::create_directories(result.folder);
  result.width = 6;
  result.height = 4;
  result.image_path = "photos/<script>alert(1)</script>.png";
  result.model_path = "<model>.onnx";
  result.model_sha256 = "one";
  result.not_applicable = {{"gradcam:layer=auto", "no <layer>"}};
  result.prediction = {{3, "<i>cat</i>", std::nan(""), std::nan("")}, {1, "", 2, 0.25}};
  Explanation e;
  e.name = "sobol";
  e.method = "sobol:grid=2";
  e.target.index = 3;
  e.target.label = "\"><img src=x>";
  e.unit = "share of variance";
  e.plan["layer"] = "<layer>";
  e.partial = true;
  e.warnings = {"a <warning>"};
  result.explanations = {e};
  result.files = {{.map = "m.npy", .standard_error = "s.npy"}};
  write_file(result.folder / "s.npy", encode_npy(at::zeros({4, 4}).fill_(0.5)));
  return result;
}

std::string section_of(const SavedResult& result, const Tensor& photo, const std::string& model = "one") {
  const std::string html = html_section(result, photo, {"picture"}, model);
  std::filesystem::remove_all(result.folder);
  return html;
}

const Tensor black = at::zeros({8, 8, 3}, at::kByte);

TEST(Html, NothingThatAFileSaysBecomesMarkup) {
  const std::string html = section_of(hostile_result(), black, "another");
  for (const char* markup : {"<script", "<i>", "<img src=x", "<layer>", "<warning>", "<model>"})
    EXPECT_THAT(html, Not(HasSubstr(markup)));
  EXPECT_THAT(html_failure("<a>", "<b>"), AllOf(HasSubstr("&lt;a&gt;"), HasSubstr("&lt;b&gt;")));
}

TEST(Html, SaysWhatIsKnownOfAnExplanation) {
  const std::string html = section_of(hostile_result(), black);
  for (const char* fact : {"0.5 on average", "share of variance", "partial", "sobol:grid=2", "25.0 %", "data:image/png",
                           "Does not apply: gradcam. no &lt;layer&gt;"})
    EXPECT_THAT(html, HasSubstr(fact));
  EXPECT_THAT(html, HasSubstr(base64_of("picture"))) << "overlays are files, taken as they are";
  EXPECT_THAT(html, Not(HasSubstr("completeness gap"))) << "where there is none, no row";
  EXPECT_THAT(html, Not(HasSubstr("another model")));
}

TEST(Html, AResultOfAnotherModelSaysSo) {
  EXPECT_THAT(section_of(hostile_result(), black, "two"), HasSubstr("another model: &lt;model&gt;.onnx"));
}

TEST(Html, APhotoThatIsGoneIsSaid) {
  EXPECT_THAT(section_of(hostile_result(), Tensor()), HasSubstr("The photo is no longer there."));
}

TEST(Html, LargePicturesAreScaledDown) {
  const Tensor noise = at::zeros({1500, 2000, 3}, at::kByte).random_();
  EXPECT_LT(section_of(hostile_result(), noise).size(), 4u * 640 * 480 * 3 / 3 + 50'000u);
}

}  // namespace
}  // namespace vitrail
