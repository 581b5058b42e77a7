constexpr const TrainingKernel* kList = nullptr;
constexpr int kListed = 0;
