// The Python face of training: what a forward call keeps for its gradient, and the gradient. For pool_module.cpp, whose
// helpers it uses.
#pragma once

// What is kept of a forward call until its gradient is asked for. Nothing of it can be reached from outside, so offsets
// are always such as a forward pass found.
class Kept {
 public:
  Kept() = default;
  ~Kept() {
    if (offsets_ != nullptr) release_output(offsets_, bytes_);
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  // Before the forward pass: the shapes, and memory for the offsets of a maximum.
  void take(const Resolved& resolved, const Borrowed& input) {
    const bool is_float = input.type == Type::kF64 || input.type == Type::kF32 || input.type == Type::kF16 ||
                          input.type == Type::kBf16;
    if (!is_float) {
      throw WrongType(std::string("The input has elements of type ") + kTypeNames[static_cast<int>(input.type)] +
                      ": there are gradients for float64, float32, float16 and bfloat16.");
    }
    resolved_ = resolved;
    input_ = input.array;
    input_.data = nullptr;
    type_ = input.type;
    if (resolved.problem.op != Op::kMax) return;
    std::int64_t window = 1;
    for (const Axis& axis : resolved.problem.axes) window *= largest_window(axis);
    if (window > INT32_MAX) {
      throw std::invalid_argument("A window has " + std::to_string(window) + " elements, more than an offset of 32 bits "
                                  "can tell apart; the input has shape " + text_of(input_.shape, input_.dims) + ".");
    }
    offset_size_ = offset_size_for(window);
    bytes_ = static_cast<std::size_t>(resolved.elements * offset_size_);
    offsets_ = allocate_output(bytes_);
    if (offsets_ == nullptr) throw std::bad_alloc();
    Resolved places = resolved;
    std::int64_t steps[kMostAxes];
    choose_steps(resolved, input.array, offset_size_, steps);
    bind_indices(places, nullptr, steps);
    resolved_.problem = places.problem;
  }

  // The forward pass of a maximum.
  int pool(const Problem& bound, const Settings& settings, std::int64_t bytes) const {
    Training training = make(Pass::kKeep, bound);
    training.in = const_cast<char*>(bound.in);
    training.out = bound.out;
    const int done_by = run_unlocked(training, settings, bytes);
    if (done_by >= 0 && bound.indices != nullptr) write_indices(training, bound);
    return done_by;
  }

  PyObject* pull_back(PyObject* grad_output, PyObject* out_given, const Settings& settings, bool names_variant) const {
    const Borrowed grad(grad_output, "grad_output", false);
    const std::int64_t size = size_of(type_);
    check_like(grad, "grad_output", resolved_.shape, "the output");
    std::int64_t first, length;
    if (!extent(grad.array, size, &first, &length)) {
      throw std::invalid_argument("grad_output's sizes times its strides overflow; its shape is " +
                                  text_of(grad.array.shape, grad.array.dims) + ".");
    }
    std::optional<Borrowed> given;
    Reference out;
    std::int64_t fresh_steps[kMostAxes];
    const std::int64_t* steps = fresh_steps;
    char* data = nullptr;
    if (out_given != Py_None) {
      given.emplace(out_given, "out", true);
      check_like(*given, "out", input_.shape, "the input");
      check_apart_from_itself(given->array, "out", size);
      check_apart(given->array, size, "out", grad.array, size, "grad_output");
      data = given->array.data;
      steps = given->array.steps;
      Py_INCREF(out_given);
      out.reset(out_given);
    } else {
      Resolved like = resolved_;
      std::copy(input_.shape, input_.shape + input_.dims, like.shape);
      like.elements = resolved_.input_elements;
      choose_steps(like, input_, size, fresh_steps);
      out.reset(make_array(like, type_, fresh_steps, &data));
    }
    int done_by = -1;
    if (resolved_.elements > 0) {
      Resolved bound = resolved_;
      bind_output(bound, grad.array.data, grad.array.steps);
      bind_input(bound, steps);
      Training training = make(Pass::kBackward, bound.problem);
      training.in = data;
      training.out = grad.array.data;
      done_by = run_unlocked(training, settings, (resolved_.input_elements + resolved_.elements) * size);
      if (done_by < 0) {
        if (names_variant) Py_RETURN_NONE;
        throw std::runtime_error("No kernel took this gradient: this is a mistake in poolbench.");
      }
    }
    if (!names_variant) return out.release();
    const std::string name = done_by < 0 ? "" : name_of(training_variant(done_by));
    return Py_BuildValue("(Ns)", out.release(), name.c_str());
  }

  std::size_t bytes() const { return bytes_; }

  PyObject* input_shape() const {
    PyObject* shape = PyTuple_New(input_.dims);
    for (int i = 0; shape != nullptr && i < input_.dims; ++i) {
      PyTuple_SetItem(shape, i, PyLong_FromLongLong(input_.shape[i]));
    }
    return shape;
  }

 private:
  // The steps of `in` and `out` are those of `bound`, those of the offsets are known here.
  Training make(Pass pass, const Problem& bound) const {
    const Problem& kept = resolved_.problem;
    Training training;
    training.pass = pass;
    training.problem = bound;
    training.problem.batch.index_step = kept.batch.index_step;
    training.problem.channels.index_step = kept.channels.index_step;
    for (int i = 0; i < 3; ++i) training.problem.axes[i].index_step = kept.axes[i].index_step;
    training.offsets = offsets_;
    training.offset_size = offset_size_;
    return training;
  }

  void bind_input(Resolved& resolved, const std::int64_t* steps) const {
    Problem& problem = resolved.problem;
    if (resolved.dims > resolved.rank + 1) problem.batch.in_step = steps[0];
    problem.channels.in_step = steps[resolved.channels_axis];
    for (int i = 0; i < resolved.rank; ++i) {
      problem.axes[3 - resolved.rank + i].in_step = steps[resolved.first_pooled_axis + i];
    }
  }

  void check_like(const Borrowed& given, const char* name, const std::int64_t* shape, const char* like) const {
    const Array& array = given.array;
    if (!given.has_type || given.type != type_) {
      const std::string got = given.has_type ? kTypeNames[static_cast<int>(given.type)] : given.type_name;
      throw WrongType(std::string(name) + " has elements of type " + got + "; it must have the input's, " +
                      kTypeNames[static_cast<int>(type_)] + ".");
    }
    if (array.dims == resolved_.dims && std::equal(array.shape, array.shape + array.dims, shape)) return;
    throw std::invalid_argument(std::string(name) + " has shape " + text_of(array.shape, array.dims) +
                                "; it must have that of " + like + ", " + text_of(shape, resolved_.dims) +
                                ": an input of shape " + text_of(input_.shape, input_.dims) +
                                " was pooled to an output of shape " + text_of(resolved_.shape, resolved_.dims) + ".");
  }

  static int run_unlocked(const Training& training, const Settings& settings, std::int64_t bytes) {
    if (bytes < kKeepLockBelow) return run(training, settings);
    return poolbench::without_lock([&] { return run(training, settings); });
  }

  Resolved resolved_;
  Array input_;
  Type type_{};
  char* offsets_ = nullptr;
  std::size_t bytes_ = 0;
  int offset_size_ = 1;
};
