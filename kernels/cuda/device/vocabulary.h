// Every activation, loss and optimizer that the CUDA kernel knows, once: X(the name in jaxbm's tables, the code here).
// Python reads the names from this very text.
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

#define JAXBM_CODE(name, code) code,
enum ActivationKind { JAXBM_ACTIVATIONS(JAXBM_CODE) };
enum LossKind { JAXBM_LOSSES(JAXBM_CODE) };
enum OptimizerKind { JAXBM_OPTIMIZERS(JAXBM_CODE) };
#undef JAXBM_CODE
