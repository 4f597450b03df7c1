// Every activation, loss and optimizer that the kernels know, once: X(the name in jaxbm's tables, the code here).
// The library gives the names in this order to whoever asks (`jaxbm_names`), so a code is a name's place in it.
#pragma once

#define JAXBM_ACTIVATIONS(X) \
  X(identity, kIdentity)     \
  X(relu, kRelu)             \
  X(leaky_relu, kLeakyRelu)  \
  X(elu, kElu)               \
  X(gelu, kGelu)             \
  X(gelu_tanh, kGeluTanh)    \
  X(silu, kSilu)             \
  X(tanh, kTanh)             \
  X(sigmoid, kSigmoid)       \
  X(softplus, kSoftplus)

#define JAXBM_LOSSES(X)                                 \
  X(squared_error, kSquaredError)                       \
  X(l2_loss, kL2Loss)                                   \
  X(huber_loss, kHuber)                                 \
  X(sigmoid_binary_cross_entropy, kSigmoidCrossEntropy) \
  X(softmax_cross_entropy, kSoftmaxCrossEntropy)        \
  X(softmax_cross_entropy_with_integer_labels, kSoftmaxIntegerLabels)

#define JAXBM_OPTIMIZERS(X) \
  X(sgd, kSgd)              \
  X(adam, kAdam)

namespace jaxbm {

#define JAXBM_CODE(name, code) code,
#define JAXBM_NAME(name, code) #name " "
enum Activation : int { JAXBM_ACTIVATIONS(JAXBM_CODE) kActivations };
enum Loss : int { JAXBM_LOSSES(JAXBM_CODE) kLosses };
enum Optimizer : int { JAXBM_OPTIMIZERS(JAXBM_CODE) kOptimizers };

constexpr const char* kActivationNames = JAXBM_ACTIVATIONS(JAXBM_NAME);
constexpr const char* kLossNames = JAXBM_LOSSES(JAXBM_NAME);
constexpr const char* kOptimizerNames = JAXBM_OPTIMIZERS(JAXBM_NAME);

}  // namespace jaxbm
