#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "train/flat_state.hpp"

namespace shardmill::train {
namespace {

// One parameter of 3 by 5, one of 7 that is used now and then, one that is frozen.
class Network : public model::Trainable {
 public:
  Network() : Trainable("network") {
    for (const auto& [name, tensor] : {std::pair{"weight", at::randn({3, 5})}, std::pair{"extra", at::randn({7})},
                                       std::pair{"fixed", at::randn({4})}})
      parameters_.push_back({name, tensor});
    parameters_[0].tensor.set_requires_grad(true);
    parameters_[1].tensor.set_requires_grad(true);
  }
  void train(bool /*on*/) override {}
  bool uses_extra = false;

 private:
  at::Tensor run(const std::vector<at::Tensor>& inputs) override {
    at::Tensor y = at::matmul(inputs[0], parameters_[0].tensor.t());
    return uses_extra ? y + parameters_[1].tensor.sum() : y;
  }
};

class FlatStateTest : public testing::Test {
 protected:
  // The gradient's part of that parameter.
  at::Tensor of(std::size_t parameter) {
    const FlatPart& part = flat_.parameter_parts()[parameter];
    return contribution_.narrow(0, part.first, part.count).view(part.shape);
  }
  // What lies between the parameters, which start on borders of 16.
  bool gaps_are_zero() {
    at::Tensor rest = contribution_.narrow(0, 0, flat_.trained()).clone();
    for (std::size_t i = 0; i < 2; ++i)
      rest.narrow(0, flat_.parameter_parts()[i].first, flat_.parameter_parts()[i].count).zero_();
    return at::equal(rest, at::zeros_like(rest));
  }
  void pass() { network_.forward({x_}).sum().backward(); }

  Network network_;
  FlatState flat_{network_, false};
  at::Tensor x_ = at::randn({2, 5});
  // As a used buffer is: full of what was there before.
  at::Tensor contribution_ =
      at::full({flat_.contribution_elements()}, std::numeric_limits<float>::quiet_NaN(), at::kFloat);
};

TEST_F(FlatStateTest, TheGradientIsWrittenOverWhatWasThere) {
  network_.uses_extra = true;
  flat_.collect_into(contribution_);
  pass();
  flat_.finish_gradient();
  EXPECT_TRUE(at::equal(of(0), x_.sum(0).expand({3, 5})));
  EXPECT_TRUE(at::equal(of(1), at::full({7}, 6.0F)));
  EXPECT_TRUE(gaps_are_zero());
}

TEST_F(FlatStateTest, LaterPassesAreAdded) {
  flat_.collect_into(contribution_);
  pass();
  pass();
  flat_.finish_gradient();
  EXPECT_TRUE(at::equal(of(0), (x_.sum(0) * 2).expand({3, 5})));
}

TEST_F(FlatStateTest, AParameterThatIsNotUsedHasAGradientOfZero) {
  flat_.collect_into(contribution_);
  pass();
  flat_.finish_gradient();
  EXPECT_TRUE(at::equal(of(1), at::zeros({7})));
}

TEST_F(FlatStateTest, TheNextContributionBeginsAnew) {
  flat_.collect_into(contribution_);
  pass();
  flat_.finish_gradient();
  const at::Tensor first = contribution_.clone();
  contribution_ = at::empty_like(first);
  flat_.collect_into(contribution_);
  pass();
  flat_.finish_gradient();
  EXPECT_TRUE(at::equal(of(0), x_.sum(0).expand({3, 5})));
  EXPECT_NE(first.data_ptr(), contribution_.data_ptr());
}

}  // namespace
}  // namespace shardmill::train
