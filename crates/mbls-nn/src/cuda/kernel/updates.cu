// Optimizer steps, computed in f64 with one rounding per stored number, and sums of squares.

// Returns the current value of a parameter: the master weight, unless the parameter was set from
// elsewhere since.
__device__ double present(const Stored* p, const Compute* master, u64 i) {
    Compute rounded = load(p[i]);
    return (double)(master && load(store(master[i])) == rounded ? master[i] : rounded);
}

__device__ void keep(double value, Stored* p, Compute* master, u64 i) {
    Compute kept = (Compute)value;
    if (master) master[i] = kept;
    p[i] = store(kept);
}

// Same fields as in `update.rs`.
struct Sgd {
    double learning_rate;
    double momentum;
    double share;
    double weight_decay;
    u64 nesterov;
};

static_assert(sizeof(Sgd) == 40, "the host passes this size");

// `momentum` and `master` may be null.
KERNEL sgd(Stored* p, const Stored* g, Compute* master, Compute* momentum, Compute*, u64 count, const Sgd rule) {
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        double value = present(p, master, i);
        double direction = (double)load(g[i]) + rule.weight_decay * value;
        if (momentum) {
            Compute next = (Compute)(rule.momentum * (double)momentum[i] + rule.share * direction);
            momentum[i] = next;
            direction = rule.nesterov ? direction + rule.momentum * (double)next : (double)next;
        }
        keep(value - rule.learning_rate * direction, p, master, i);
    }
}

// Same fields as in `update.rs`.
struct Adam {
    double beta1;
    double beta2;
    double eps;
    double decay;
    double shrink;
    double step_size;
    double root;
};

static_assert(sizeof(Adam) == 56, "the host passes this size");

// `master` may be null.
KERNEL adam(Stored* p, const Stored* g, Compute* master, Compute* mean, Compute* square, u64 count, const Adam rule) {
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        double value = present(p, master, i);
        double direction = (double)load(g[i]) + rule.decay * value;
        Compute m = (Compute)(rule.beta1 * (double)mean[i] + (1.0 - rule.beta1) * direction);
        Compute s = (Compute)(rule.beta2 * (double)square[i] + (1.0 - rule.beta2) * (direction * direction));
        mean[i] = m;
        square[i] = s;
        double length = rule.step_size * rule.root * (double)m / (sqrt((double)s) + rule.eps * rule.root);
        keep(rule.shrink * value - length, p, master, i);
    }
}

// Same fields as in `update.rs`.
struct Running {
    double share;
    double factor;
};

static_assert(sizeof(Running) == 16, "the host passes this size");

// Updates a running statistic with that of a batch.
KERNEL running(Stored* p, const Stored* batch, Compute*, Compute*, Compute*, u64 count, const Running rule) {
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        double value = (1.0 - rule.share) * (double)load(p[i]) + rule.share * rule.factor * (double)load(batch[i]);
        p[i] = store((Compute)value);
    }
}

// Computes one sum per block.
KERNEL square_parts(const Stored* x, u64 count, double* parts) {
    Pair sum = {0, 0};
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        double value = (double)load(x[i]);
        sum.first += value * value;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum.first;
}

// Computes the sum of all parts, with one block.
KERNEL sum_parts(const double* parts, u64 count, double* result) {
    Pair sum = {0, 0};
    for (u64 i = threadIdx.x; i < count; i += blockDim.x) sum.first += parts[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *result = sum.first;
}
