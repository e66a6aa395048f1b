#include "vitrail/complete.h"

#include <gmock/gmock.h>

#include "vitrail/method.h"

namespace vitrail {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> texts(const std::vector<Candidate>& candidates) {
  std::vector<std::string> words;
  for (const Candidate& candidate : candidates) words.push_back(candidate.text);
  return words;
}

TEST(CompleteMethods, OffersNames) {
  EXPECT_EQ(texts(complete_methods("")).size(), methods().size() + 1) << "and all";
  EXPECT_THAT(texts(complete_methods("")), AllOf(Contains("sobol"), Contains("all")));
  EXPECT_THAT(texts(complete_methods("sob")), ElementsAre("sobol"));
  EXPECT_THAT(texts(complete_methods("sobol")), IsSupersetOf({"sobol", "sobol:"}));
  EXPECT_THAT(texts(complete_methods("saliency,sob")), ElementsAre("saliency,sobol"));
  EXPECT_THAT(texts(complete_methods("nosuch")), IsEmpty());
}

TEST(CompleteMethods, OffersKeysOfTheMethodBefore) {
  EXPECT_THAT(texts(complete_methods("sobol:gr")), ElementsAre("sobol:grid="));
  EXPECT_THAT(texts(complete_methods("sobol:grid=8,des")), ElementsAre("sobol:grid=8,designs="));
  EXPECT_THAT(texts(complete_methods("saliency,sobol:")), AllOf(Each(StartsWith("saliency,sobol:")), Not(IsEmpty())));
  EXPECT_THAT(texts(complete_methods("ig:st")), ElementsAre("ig:steps="));
  EXPECT_THAT(texts(complete_methods("nosuch:gr")), IsEmpty());
  EXPECT_THAT(texts(complete_methods("sobol:grid=8,s")), IsSupersetOf({"sobol:grid=8,seed=", "sobol:grid=8,saliency"}));
}

TEST(CompleteMethods, OffersWordsOfAValue) {
  EXPECT_THAT(texts(complete_methods("sobol:sampler=o")), ElementsAre("sobol:sampler=owen"));
  EXPECT_THAT(texts(complete_methods("sobol:grid=8,estimator=jan")),
              IsSupersetOf({"sobol:grid=8,estimator=jansen", "sobol:grid=8,estimator=janon"}));
  EXPECT_THAT(texts(complete_methods("gradcam:relu=")), ElementsAre("gradcam:relu=true", "gradcam:relu=false"));
  EXPECT_THAT(texts(complete_methods("rise:baseline=b")), ElementsAre("rise:baseline=black", "rise:baseline=blur"));
  EXPECT_THAT(texts(complete_methods("gradcam:layer=", {"layer4.1", "layer4.0"})),
              ElementsAre("gradcam:layer=auto", "gradcam:layer=layer4.1", "gradcam:layer=layer4.0"));
  EXPECT_THAT(texts(complete_methods("rise,gradcam:layer=l", {"layer4.1"})),
              ElementsAre("rise,gradcam:layer=layer4.1"));
}

/// Whatever is offered for a whole piece is understood.
TEST(CompleteMethods, WhatIsOfferedParses) {
  for (const MethodInfo& info : methods())
    for (const OptionInfo& option : info.options) {
      if (option.type.find('|') == std::string::npos && option.type != "flag") continue;
      for (const std::string& text : texts(complete_methods(info.name + ":" + option.name + "=")))
        EXPECT_NO_THROW(parse_method(text)) << text;
    }
}

TEST(CompleteTarget, OffersClassesByName) {
  const std::vector<std::string> labels = {"tench, Tinca tinca", "tabby cat", "church"};
  EXPECT_THAT(texts(complete_target("t", labels)), ElementsAre("top1", "top2", "tench", "Tinca_tinca", "tabby_cat"));
  EXPECT_THAT(texts(complete_target("TABBY C", labels)), ElementsAre("tabby_cat"));
  EXPECT_THAT(texts(complete_target("prob:ti", labels)), ElementsAre("prob:Tinca_tinca"));
  EXPECT_THAT(texts(complete_target("top1-vs-ch", labels)), ElementsAre("top1-vs-church"));
  EXPECT_THAT(texts(complete_target("p")), ElementsAre("prob:"));
  EXPECT_THAT(texts(complete_target("other:", labels)), IsEmpty());
}

}  // namespace
}  // namespace vitrail
